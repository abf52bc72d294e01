//! A whole file.

use std::path::PathBuf;

use serde::Serialize;
use wxec::module::Digest;

use super::Absent;
use crate::{
    action::{Action, Change, Owner},
    content::Content,
    fault::Fault,
    look::{Kind, Look},
    prefab::Prefab,
    run::Run,
    settled::Settled,
};

/// A regular file. Made by [`file()`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct File {
    path: PathBuf,
    content: Option<Content>,
    mode: Option<u32>,
    owner: Owner,
    owner_names: Option<(String, String)>,
}

/// A regular file: `file("/etc/motd").content("Welcome.\n").mode(0o644).ensure(run)?`.
///
/// What is not said is left as it is. A new file without content is empty, and has the mode
/// [`FILE_MODE`](crate::FILE_MODE), or [`SECRET_MODE`](crate::SECRET_MODE) if its content is a
/// [`Secret`](crate::Secret). A folder, a symlink or a device is not replaced: the step fails.
///
/// The file is written anew and moved to its place, so readers see the old content or the new one.
/// Hard links and extended attributes stay with the old file.
pub fn file(path: impl Into<PathBuf>) -> File {
    File {
        path: path.into(),
        content: None,
        mode: None,
        owner: Owner::default(),
        owner_names: None,
    }
}

impl File {
    /// Sets the whole content. That of a [`Secret`](crate::Secret) is shown in no report.
    pub fn content(mut self, content: impl Into<Content>) -> Self {
        self.content = Some(content.into());
        self
    }

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

    /// Wants the file not to be there.
    pub fn absent(self) -> Absent {
        Absent::new(self.path, Kind::File)
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

    fn write(&self, owner: Owner) -> Action {
        Action::Write {
            path: self.path.clone(),
            content: self.content.clone().unwrap_or_else(|| Content::new("")),
            mode: self.mode,
            owner,
        }
    }
}

/// A path, as far as a file's prefab looks at it.
#[derive(Debug, PartialEq, Serialize)]
#[doc(hidden)]
pub enum SeenFile {
    Absent,
    Other(Kind),
    File {
        content: Option<Digest>,
        mode: Option<u32>,
        owner: Owner,
    },
}

impl Prefab for File {
    /// What is there, and the owner that is wanted.
    type Seen = (SeenFile, Owner);

    fn name(&self) -> String {
        format!("file {}", self.path.display())
    }

    fn look(&self, look: &Look<'_>) -> Result<Self::Seen, Fault> {
        let wanted = self.wanted_owner(look)?;
        let entry = match look.entry(&self.path)? {
            None => return Ok((SeenFile::Absent, wanted)),
            Some(entry) if entry.kind != Kind::File => {
                return Ok((SeenFile::Other(entry.kind), wanted));
            }
            Some(entry) => entry,
        };
        let content = match &self.content {
            None => None,
            Some(_) => look.read(&self.path)?,
        };
        let seen = SeenFile::File {
            content: content.map(|content| Digest::of(&content)),
            mode: self.mode.map(|_| entry.mode),
            owner: entry.owner.only(wanted),
        };
        Ok((seen, wanted))
    }

    fn plan(&self, (seen, wanted_owner): &Self::Seen) -> Change {
        let (content, mode, owner) = match seen {
            SeenFile::Absent => return Change::of([self.write(*wanted_owner)]),
            SeenFile::Other(kind) => {
                return Change::refused(kind.instead_of(&self.path, "file"));
            }
            SeenFile::File {
                content,
                mode,
                owner,
            } => (content, mode, owner),
        };
        let wanted = self.content.as_ref().map(|it| Digest::of(it.bytes()));
        if *content != wanted {
            return Change::of([self.write(*wanted_owner)]);
        }
        Change::of(attributes(
            &self.path,
            (*mode, *owner),
            (self.mode, *wanted_owner),
        ))
    }

    fn secret_files(&self) -> Vec<PathBuf> {
        let is_secret = self.content.as_ref().is_some_and(Content::is_secret);
        is_secret.then(|| self.path.clone()).into_iter().collect()
    }
}

/// Returns the actions that turn the mode and owner that are into those that are wanted. A new
/// owner takes bits of the mode away, so the mode comes second.
pub(super) fn attributes(
    path: &std::path::Path,
    seen: (Option<u32>, Owner),
    wanted: (Option<u32>, Owner),
) -> Vec<Action> {
    let (mut actions, path) = (Vec::new(), path.to_owned());
    let has_new_owner = seen.1 != wanted.1;
    if has_new_owner {
        actions.push(Action::SetOwner {
            path: path.clone(),
            owner: wanted.1,
        });
    }
    if let Some(mode) = wanted.0.filter(|_| has_new_owner || seen.0 != wanted.0) {
        actions.push(Action::SetMode { path, mode });
    }
    actions
}
