//! A folder.

use std::path::PathBuf;

use serde::Serialize;

use super::{Absent, file::attributes};
use crate::{
    action::{Action, Change, FOLDER_MODE, Owner},
    fault::Fault,
    look::{Kind, Look},
    prefab::Prefab,
    run::Run,
    settled::Settled,
};

/// A folder. Made by [`folder`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Folder {
    path: PathBuf,
    mode: Option<u32>,
    owner: Owner,
    owner_names: Option<(String, String)>,
}

/// A folder: `folder("/srv/app").mode(0o750).ensure(run)?`.
///
/// The folder that it stands in must be there. What is not said is left as it is; a new folder has
/// the mode [`FOLDER_MODE`]. A file in its place is not replaced: the step fails.
pub fn folder(path: impl Into<PathBuf>) -> Folder {
    Folder {
        path: path.into(),
        mode: None,
        owner: Owner::default(),
        owner_names: None,
    }
}

impl Folder {
    /// Sets the permission bits.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Sets the owner and the group, by their numbers.
    pub fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.owner.uid, self.owner.gid) = (Some(uid), Some(gid));
        self.owner_names = None;
        self
    }

    /// Sets the owner and the group, by their names, which takes `ask = "users"`. A preview leaves out
    /// the number of one that an earlier step would make.
    pub fn owned_by(mut self, user: impl Into<String>, group: impl Into<String>) -> Self {
        self.owner_names = Some((user.into(), group.into()));
        self
    }

    /// Wants the folder, with all that is in it, not to be there. Folders that the system lives on,
    /// such as `/etc`, and those with something mounted in them, are not removed: the step fails.
    pub fn absent(self) -> Absent {
        Absent::new(self.path, Kind::Folder)
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }

    fn wanted_owner(&self, look: &Look<'_>) -> Result<Owner, Fault> {
        match &self.owner_names {
            Some((user, group)) => look.owner_named(user, group),
            None => Ok(self.owner),
        }
    }
}

/// A path, as far as a folder's prefab looks at it.
#[derive(Debug, PartialEq, Serialize)]
#[doc(hidden)]
pub enum SeenFolder {
    Absent,
    Other(Kind),
    Folder { mode: Option<u32>, owner: Owner },
}

impl Prefab for Folder {
    /// What is there, and the owner that is wanted.
    type Seen = (SeenFolder, Owner);

    fn name(&self) -> String {
        format!("folder {}", self.path.display())
    }

    fn look(&self, look: &Look<'_>) -> Result<Self::Seen, Fault> {
        let wanted = self.wanted_owner(look)?;
        let seen = match look.entry(&self.path)? {
            None => SeenFolder::Absent,
            Some(entry) if entry.kind != Kind::Folder => SeenFolder::Other(entry.kind),
            Some(entry) => SeenFolder::Folder {
                mode: self.mode.map(|_| entry.mode),
                owner: entry.owner.only(wanted),
            },
        };
        Ok((seen, wanted))
    }

    fn plan(&self, (seen, wanted): &Self::Seen) -> Change {
        match seen {
            SeenFolder::Absent => Change::of([Action::MakeFolder {
                path: self.path.clone(),
                mode: self.mode.unwrap_or(FOLDER_MODE),
                owner: *wanted,
            }]),
            SeenFolder::Other(kind) => Change::refused(kind.instead_of(&self.path, "folder")),
            SeenFolder::Folder { mode, owner } => {
                let (seen, wanted) = ((*mode, *owner), (self.mode, *wanted));
                Change::of(attributes(&self.path, seen, wanted))
            }
        }
    }
}
