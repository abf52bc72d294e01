//! The primitive actions that prefabs ask for.

use std::path::{Path, PathBuf};

pub use crate::owner::Owner;
use crate::{
    checkout::Checkout, command::Command, content::Content, fault::Fault, fetch::Fetch,
    unpack::Unpack,
};

/// A primitive change of the host. The library carries it out; a prefab only lists it.
///
/// Each one but [`Run`](Self::Run) happens wholly or not at all, also if the power fails: what is made is made under a
/// temporary name in its folder, with its mode and owner before its content, written to disk, and
/// renamed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Makes a folder, in a folder that exists.
    MakeFolder {
        /// Its path.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner; by default the account that the plan runs as.
        owner: Owner,
    },
    /// Writes a whole file: a new one, or the new content of one.
    Write {
        /// Its path.
        path: PathBuf,
        /// Its content.
        content: Content,
        /// Its mode. By default an existing file keeps its own; a new one has [`FILE_MODE`], or
        /// [`SECRET_MODE`] for secret content.
        mode: Option<u32>,
        /// Its owner. By default an existing file keeps its own.
        owner: Owner,
    },
    /// Sets the permission bits of a file or folder.
    SetMode {
        /// Its path.
        path: PathBuf,
        /// The mode.
        mode: u32,
    },
    /// Sets the owner of a file or folder.
    SetOwner {
        /// Its path.
        path: PathBuf,
        /// The owner.
        owner: Owner,
    },
    /// Makes a symlink, or replaces one by another.
    Link {
        /// Its path.
        path: PathBuf,
        /// Its target, which need not exist.
        target: PathBuf,
    },
    /// Removes a file or a symlink.
    Remove {
        /// Its path.
        path: PathBuf,
    },
    /// Removes a folder with all that is in it, but for what the system lives on, such as `/etc`.
    RemoveTree {
        /// Its path.
        path: PathBuf,
    },
    /// Fetches a file from elsewhere, which takes the grant to run `curl` or `wget`. The prefab
    /// [`download`](crate::download) lists it.
    Fetch(Fetch),
    /// Unpacks an archive to a folder, in place of one that has come from another archive, which takes
    /// the grant to run `tar`. The prefab [`archive`](crate::archive()) lists it.
    Unpack(Unpack),
    /// Makes a checkout of git or moves it to another commit, which takes the grant to run `git`. The
    /// prefab [`git`](crate::git()) lists it.
    Checkout(Checkout),
    /// Runs a program, which takes the grant to run it. It is no primitive change: how much of it
    /// happens is up to the program.
    Run(Command),
}

/// Mode of a new file without a mode of its own.
pub const FILE_MODE: u32 = 0o644;
/// Mode of a new file with secret content and without a mode of its own.
pub const SECRET_MODE: u32 = 0o600;
/// Returns the mode of a new file without a mode of its own.
pub(crate) fn mode_of_new(content: &Content) -> u32 {
    if content.is_secret() {
        SECRET_MODE
    } else {
        FILE_MODE
    }
}

/// Mode of a new folder without a mode of its own.
pub const FOLDER_MODE: u32 = 0o755;

impl Action {
    /// Returns the path that it changes. Programs change what they want.
    pub fn path(&self) -> Option<&Path> {
        let path = match self {
            Self::MakeFolder { path, .. }
            | Self::Write { path, .. }
            | Self::SetMode { path, .. }
            | Self::SetOwner { path, .. }
            | Self::Link { path, .. }
            | Self::Remove { path }
            | Self::RemoveTree { path } => path,
            Self::Fetch(fetch) => &fetch.path,
            Self::Unpack(unpack) => &unpack.folder,
            Self::Checkout(checkout) => &checkout.path,
            Self::Run(_) => return None,
        };
        Some(path)
    }

    /// Returns `fault` with the path that it changes.
    pub(crate) fn blamed(&self, fault: Fault) -> Fault {
        match self.path() {
            Some(path) if fault.path.is_none() => fault.at(path),
            _ => fault,
        }
    }

    pub(crate) fn is_secret(&self) -> bool {
        matches!(self, Self::Write { content, .. } if content.is_secret())
    }
}

/// The decision of a prefab: what has to be done about what it has seen.
#[derive(Debug, Clone)]
pub struct Change(pub(crate) Decision);

#[derive(Debug, Clone)]
pub(crate) enum Decision {
    /// Carry these out in turn; none if the host is as it should be.
    Actions(Vec<Action>),
    Unknown(String),
    Refused(Fault),
}

impl Change {
    /// Nothing has to be done.
    pub fn settled() -> Self {
        Self(Decision::Actions(Vec::new()))
    }

    /// These actions have to be done, in turn.
    pub fn of(actions: impl IntoIterator<Item = Action>) -> Self {
        Self(Decision::Actions(actions.into_iter().collect()))
    }

    /// A preview cannot tell, and says why. Outside of a preview the step fails.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self(Decision::Unknown(why.into()))
    }

    /// The step fails before anything is done.
    pub fn refused(fault: Fault) -> Self {
        Self(Decision::Refused(fault))
    }
}
