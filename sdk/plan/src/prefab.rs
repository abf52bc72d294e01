//! The trait of prefabs.

use std::path::PathBuf;

use serde::Serialize;

use crate::{action::Change, fault::Fault, look::Look, record::Made};

/// A part of a host that can be set up: one look, and one decision.
///
/// A prefab does nothing itself. [`Run::ensure`](crate::Run::ensure) looks with it, lets it decide,
/// carries out its actions, and looks again. A prefab that is not settled then has failed. So the
/// library, and not the prefab, says what has changed.
///
/// ```
/// use std::{io, path::PathBuf};
/// use wxec_plan::{Action, Change, Fault, Look, Prefab, Run};
///
/// /// A folder that has only these names in it.
/// struct Only {
///     folder: PathBuf,
///     names: Vec<PathBuf>,
/// }
///
/// impl Prefab for Only {
///     type Seen = Option<Vec<PathBuf>>;
///
///     fn name(&self) -> String {
///         format!("only {}", self.folder.display())
///     }
///
///     fn look(&self, look: &Look<'_>) -> Result<Self::Seen, Fault> {
///         look.names(&self.folder)
///     }
///
///     fn plan(&self, seen: &Self::Seen) -> Change {
///         let others = seen.iter().flatten().filter(|name| !self.names.contains(name));
///         Change::of(others.map(|name| Action::Remove { path: self.folder.join(name) }))
///     }
/// }
///
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("old.conf"), "")?;
/// let only = Only { folder: folder.path().into(), names: vec!["site.conf".into()] };
///
/// let mut preview = Run::preview();
/// assert!(preview.ensure(&only)?.changed);
/// assert!(folder.path().join("old.conf").exists());
///
/// assert!(Run::new().ensure(&only)?.changed);
/// assert!(!folder.path().join("old.conf").exists());
/// assert!(!Run::new().ensure(&only)?.changed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Prefab {
    /// The state of the part, as far as the prefab sets it up. Absence is a state, too.
    ///
    /// The library compares these: two looks at the same state are equal. So it has no times, no
    /// inodes, and nothing else that the prefab's actions do not determine.
    type Seen: Serialize + PartialEq;

    /// Returns the name of the step, such as `file /etc/motd`. It shows no secret.
    fn name(&self) -> String;

    /// Looks at the part.
    fn look(&self, look: &Look<'_>) -> Result<Self::Seen, Fault>;

    /// Decides what has to be done about what was seen. The decision depends on nothing else.
    fn plan(&self, seen: &Self::Seen) -> Change;

    /// Returns what its actions make that is no path of its own, such as a line of a file: what
    /// the mode [`clean`](crate::CLEAN_MODE) removes again. Files, folders and symlinks that actions make are known
    /// without it.
    fn made(&self, _seen: &Self::Seen) -> Vec<Made> {
        Vec::new()
    }

    /// Returns true if what it makes stays when the plan is cleaned up.
    fn keeps(&self) -> bool {
        false
    }

    /// Makes a prefab whose work stays when the plan is cleaned up.
    ///
    /// ```
    /// use wxec_plan::{Prefab, Run, folder};
    ///
    /// let place = tempfile::tempdir()?;
    /// folder(place.path().join("data")).keep().ensure(&mut Run::new())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn keep(self) -> Keep<Self>
    where
        Self: Sized,
    {
        Keep(self)
    }

    /// Returns the files whose content is a secret: no report shows it, neither of this step nor of
    /// a later one.
    fn secret_files(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// A prefab whose work stays when the plan is cleaned up. Made by [`Prefab::keep`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Keep<P>(P);

impl<P: Prefab> Prefab for Keep<P> {
    type Seen = P::Seen;

    fn name(&self) -> String {
        self.0.name()
    }

    fn look(&self, look: &Look<'_>) -> Result<P::Seen, Fault> {
        self.0.look(look)
    }

    fn plan(&self, seen: &P::Seen) -> Change {
        self.0.plan(seen)
    }

    fn keeps(&self) -> bool {
        true
    }

    fn secret_files(&self) -> Vec<PathBuf> {
        self.0.secret_files()
    }
}
