//! A symlink.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Absent;
use crate::{
    action::{Action, Change},
    fault::Fault,
    look::{Kind, Look},
    prefab::Prefab,
    run::Run,
    settled::Settled,
};

/// A symlink. Made by [`symlink`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Symlink {
    path: PathBuf,
    target: PathBuf,
}

/// A symlink at `path` that leads to `target`, which may be relative and need not exist:
/// `symlink("/srv/current", "releases/7").ensure(run)?`.
///
/// A symlink to another target is replaced at once, without a moment in which there is none. A file
/// or folder is not replaced: the step fails.
pub fn symlink(path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Symlink {
    Symlink {
        path: path.into(),
        target: target.into(),
    }
}

impl Symlink {
    /// Wants the symlink not to be there, wherever it leads.
    pub fn absent(self) -> Absent {
        Absent::new(self.path, Kind::Symlink)
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }
}

/// A path, as far as a symlink's prefab looks at it.
#[derive(Debug, PartialEq, Serialize)]
#[doc(hidden)]
pub enum SeenSymlink {
    Absent,
    Other(Kind),
    /// The bytes of its target, which may be no UTF-8.
    Symlink(Option<Vec<u8>>),
}

impl Prefab for Symlink {
    type Seen = SeenSymlink;

    fn name(&self) -> String {
        format!("symlink {}", self.path.display())
    }

    fn look(&self, look: &Look<'_>) -> Result<SeenSymlink, Fault> {
        Ok(match look.entry(&self.path)? {
            None => SeenSymlink::Absent,
            Some(entry) if entry.kind != Kind::Symlink => SeenSymlink::Other(entry.kind),
            Some(_) => SeenSymlink::Symlink(look.read_link(&self.path)?.map(|it| bytes(&it))),
        })
    }

    fn plan(&self, seen: &SeenSymlink) -> Change {
        match seen {
            SeenSymlink::Other(kind) => Change::refused(kind.instead_of(&self.path, "symlink")),
            SeenSymlink::Symlink(target) if *target == Some(bytes(&self.target)) => {
                Change::settled()
            }
            _ => Change::of([Action::Link {
                path: self.path.clone(),
                target: self.target.clone(),
            }]),
        }
    }
}

fn bytes(target: &Path) -> Vec<u8> {
    target.as_os_str().as_encoded_bytes().to_vec()
}
