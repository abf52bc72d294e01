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
    /// A folder with all that is in it, such as one that an archive was unpacked to.
    Tree {
        /// The folder.
        path: PathBuf,
        /// A file in it, by which it is known: a folder without one is another folder.
        sign: String,
    },
    /// An item that a command removes again, such as a package.
    Item(Box<Removal>),
}

/// The way to remove an item again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The item, such as `package nginx`.
    pub item: String,
    /// The question whether it is there: a program with its arguments, which exits with 0 then. Without
    /// one, it is there as long as the host has the program that removes it.
    pub asks: Vec<String>,
    /// A part of the answer if it is there.
    pub says: String,
    /// The commands that remove it. The first one is run whose program the host has.
    pub removes: Vec<Vec<String>>,
    /// The variables of these commands.
    pub environment: Vec<(String, String)>,
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
