//! The absence of a file, folder or symlink.

use std::path::PathBuf;

use crate::{
    action::{Action, Change},
    fault::Fault,
    look::{Kind, Look},
    prefab::Prefab,
    run::Run,
    settled::Settled,
};

/// The absence of what another prefab makes: its `absent()`.
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Absent {
    path: PathBuf,
    kind: Kind,
}

impl Absent {
    pub(super) fn new(path: PathBuf, kind: Kind) -> Self {
        Self { path, kind }
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }
}

impl Prefab for Absent {
    type Seen = Option<Kind>;

    fn name(&self) -> String {
        format!("no {} {}", self.kind.word(), self.path.display())
    }

    fn look(&self, look: &Look<'_>) -> Result<Self::Seen, Fault> {
        Ok(look.entry(&self.path)?.map(|entry| entry.kind))
    }

    fn plan(&self, seen: &Self::Seen) -> Change {
        let path = self.path.clone();
        match *seen {
            None => Change::settled(),
            Some(kind) if kind != self.kind => {
                Change::refused(kind.instead_of(&path, self.kind.word()))
            }
            Some(Kind::Folder) => Change::of([Action::RemoveTree { path }]),
            Some(_) => Change::of([Action::Remove { path }]),
        }
    }
}
