//! What plans make, as a record keeps it, to be removed later.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    fault::Fault,
    look::{Kind, Look},
    prefabs,
    run::Run,
};

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
}

impl Made {
    /// Returns what an action makes where there is nothing so far.
    pub(crate) fn by(action: &Action, look: &Look<'_>) -> Result<Option<Self>, Fault> {
        let made = match action {
            Action::MakeFolder { path, .. } => Self::Folder(path.clone()),
            Action::Write { path, .. } => Self::File(path.clone()),
            Action::Link { path, .. } => Self::Symlink(path.clone()),
            _ => return Ok(None),
        };
        let path = action.path().expect("these three have one");
        Ok(look.entry(path)?.is_none().then_some(made))
    }

    /// Removes it in `run`, unless something else has come to depend on it. Returns whether it is
    /// gone.
    pub(crate) fn undo(&self, run: &mut Run) -> Result<bool, Fault> {
        match self {
            Self::File(path) => prefabs::file(path).absent().ensure(run),
            Self::Symlink(path) => prefabs::symlink(path, "-").absent().ensure(run),
            Self::Folder(path) => {
                let look = run.look();
                let is_folder = |entry: crate::look::Entry| entry.kind == Kind::Folder;
                let is_empty = match look.entry(path)?.filter(|entry| is_folder(*entry)) {
                    Some(_) => look.names(path)?.is_none_or(|names| names.is_empty()),
                    None => true,
                };
                if !is_empty {
                    let name = format!("no folder {}", path.display());
                    run.skip(&name, "it is not empty")?;
                    return Ok(false);
                }
                prefabs::folder(path).absent().ensure(run)
            }
            Self::Package(name) => prefabs::package(name).absent().ensure(run),
            Self::Enabled(name) => {
                if run.look().unit(name)?.is_none() {
                    return Ok(true);
                }
                prefabs::unit(name).disabled().stopped().ensure(run)
            }
            Self::Line { path, text } => prefabs::line(path, text.clone()).absent().ensure(run),
            Self::Block {
                path,
                name,
                comment,
            } => {
                let block = prefabs::block(path, name, "").comment(comment);
                block.absent().ensure(run)
            }
            Self::Setting {
                path,
                key,
                section,
                separator,
            } => {
                let setting = prefabs::setting(path, key, "").separator(separator);
                let setting = match section {
                    Some(section) => setting.in_section(section),
                    None => setting,
                };
                setting.absent().ensure(run)
            }
        }
        .map(|_| true)
    }
}
