//! A check that something is there.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    action::Change,
    fault::{Fault, FaultKind},
    look::{Kind, Look},
    prefab::Prefab,
    run::Run,
    settled::Settled,
};

/// A check that something is at a path. Made by [`exists`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Exists {
    path: PathBuf,
    kind: Option<Kind>,
}

/// A check that something is at a path, which makes nothing: `exists("/srv/app/bin").ensure(run)?`.
///
/// The step fails if there is nothing. In a preview it is unknown if a program that an earlier step
/// would run may make it: the installation of a package, for one. A symlink is itself, wherever it
/// leads.
///
/// ```
/// use wxec_plan::{Kind, Run, exists, folder};
///
/// let place = tempfile::tempdir()?;
/// let data = place.path().join("data");
/// assert!(exists(&data).ensure(&mut Run::new()).is_err());
///
/// let mut preview = Run::preview();
/// folder(&data).ensure(&mut preview)?;
/// exists(&data).kind(Kind::Folder).ensure(&mut preview)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn exists(path: impl Into<PathBuf>) -> Exists {
    Exists {
        path: path.into(),
        kind: None,
    }
}

impl Exists {
    /// Is of this kind.
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Checks it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }
}

/// A path as a check looks at it.
#[derive(Debug, PartialEq, Serialize)]
#[doc(hidden)]
pub struct SeenPath {
    kind: Option<Kind>,
    /// Whether a program would have run by then.
    after_programs: bool,
}

impl Prefab for Exists {
    type Seen = SeenPath;

    fn name(&self) -> String {
        let kind = self.kind.map_or("something", Kind::word);
        format!("{kind} is at {}", self.path.display())
    }

    fn look(&self, look: &Look<'_>) -> Result<SeenPath, Fault> {
        Ok(SeenPath {
            kind: look.entry(&self.path)?.map(|entry| entry.kind),
            after_programs: look.is_after_programs(),
        })
    }

    fn plan(&self, seen: &SeenPath) -> Change {
        let wanted = self.kind.map_or("something", Kind::word);
        match seen.kind {
            None if seen.after_programs => {
                let path = self.path.display();
                Change::unknown(format!("{path}: a program of an earlier step may make it"))
            }
            None => {
                let a = if self.kind.is_some() { "a " } else { "" };
                let message = format!("there is nothing, and has to be {a}{wanted}");
                Change::refused(Fault::of(FaultKind::Missing, message).at(&self.path))
            }
            Some(kind) if self.kind.is_some_and(|wanted| wanted != kind) => {
                Change::refused(kind.instead_of(&self.path, wanted))
            }
            Some(_) => Change::settled(),
        }
    }
}
