//! What plans make, as a record keeps it, to be removed later.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{action::Action, fault::Fault, look::Look};

/// A thing that a plan made, where there was none before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Made {
    /// A regular file.
    File(PathBuf),
    /// A folder, without what is in it.
    Folder(PathBuf),
    /// A symlink.
    Symlink(PathBuf),
    /// A line of a file.
    Line {
        /// The file.
        path: PathBuf,
        /// The line.
        text: Vec<u8>,
    },
    /// A block of a file.
    Block {
        /// The file.
        path: PathBuf,
        /// Name of the block.
        name: String,
        /// The mark before a comment.
        comment: String,
    },
    /// A key in a config file.
    Setting {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its section.
        section: Option<String>,
        /// What stands between it and its value.
        separator: String,
    },
    /// A package that was installed.
    Package(String),
    /// A unit that was enabled.
    Enabled(String),
    /// A key that may log in by ssh.
    AuthorizedKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A folder that an archive was unpacked to.
    Archive(PathBuf),
    /// A virtual environment of Python.
    Venv(PathBuf),
    /// A package of Python in a virtual environment.
    Pip {
        /// The environment.
        venv: PathBuf,
        /// The package.
        name: String,
    },
    /// An account. Its home stays when it is removed.
    User(String),
    /// A group of accounts.
    Group(String),
}

impl Made {
    /// Returns what an action makes where there is nothing so far.
    pub(crate) fn by(action: &Action, look: &Look<'_>) -> Result<Option<Self>, Fault> {
        let made = match action {
            Action::MakeFolder { path, .. } => Self::Folder(path.clone()),
            Action::Fetch(fetch) => Self::File(fetch.path.clone()),
            Action::Write { path, .. } => Self::File(path.clone()),
            Action::Link { path, .. } => Self::Symlink(path.clone()),
            _ => return Ok(None),
        };
        let path = action.path().expect("these have one");
        Ok(look.entry(path)?.is_none().then_some(made))
    }
}
