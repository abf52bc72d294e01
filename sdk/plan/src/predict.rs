//! Predicts what an action does, and refuses it if it would do harm. Everything an action may be
//! refused for is refused here, before anything is done.

use std::path::Path;

use wxec::module::Digest;

use crate::{
    action::{Action, FILE_MODE, FOLDER_MODE, Owner, mode_of_new},
    checkout::{Checkout, SOME_COMMIT},
    command::Command,
    content::Content,
    difference::{Attribute, Difference, Side},
    fault::{Fault, FaultKind},
    fetch::Fetch,
    look::{Entry, Kind, Look, MAX_READ_BYTES},
    shadow::{Body, Node, Shadow},
    unpack::{NOTE, Unpack},
};

/// Lets `shadow` have what `action` would leave behind, and returns the differences.
pub(crate) fn predict(shadow: &mut Shadow, action: &Action) -> Result<Vec<Difference>, Fault> {
    let path = match action {
        Action::Run(command) => return predict_command(shadow, command),
        action => action.path(),
    };
    let look = Look::over(shadow);
    let path = look.resolve(path.expect("only commands have none"))?;
    let (node, differences) = Prediction {
        before: look.entry(&path)?,
        look: &look,
        path: &path,
    }
    .of(action)?;
    if let Action::Checkout(checkout) = action {
        shadow.set(path.clone(), None);
        let git = path.join(".git");
        let head = Node {
            body: Body::File(Content::new(checkout.foreseen_head())),
            mode: FILE_MODE,
            owner: Owner::default(),
        };
        shadow.set(git.join("HEAD"), Some(head));
        shadow.set(git, node.clone());
    }
    if let Action::Unpack(unpack) = action {
        shadow.set(path.clone(), None);
        let note = Node {
            body: Body::File(Content::new(unpack.note())),
            mode: FILE_MODE,
            owner: Owner::default(),
        };
        shadow.set(path.join(NOTE), Some(note));
    }
    shadow.set(path, node);
    Ok(differences)
}

/// Lets `shadow` have the effects that `command` declares.
fn predict_command(shadow: &mut Shadow, command: &Command) -> Result<Vec<Difference>, Fault> {
    let mut differences = Vec::new();
    shadow.set_after_programs();
    for effect in command.effects() {
        shadow.set_item(effect);
        differences.extend(effect.differences());
    }
    for path in command.made() {
        let path = Look::over(shadow).resolve(path)?;
        let node = Node {
            body: Body::Unforeseen,
            mode: 0,
            owner: Owner::default(),
        };
        shadow.set(path, Some(node));
    }
    Ok(differences)
}

/// An action's path, and what is there before it.
struct Prediction<'a> {
    look: &'a Look<'a>,
    path: &'a Path,
    before: Option<Entry>,
}

type Predicted = (Option<Node>, Vec<Difference>);

impl Prediction<'_> {
    fn of(&self, action: &Action) -> Result<Predicted, Fault> {
        match action {
            Action::MakeFolder { mode, owner, .. } => self.make_folder(*mode, *owner),
            Action::Write {
                content,
                mode,
                owner,
                ..
            } => self.write(content, *mode, *owner),
            Action::SetMode { mode, .. } => self.set_mode(*mode),
            Action::SetOwner { owner, .. } => self.set_owner(*owner),
            Action::Link { target, .. } => self.link(target),
            Action::Remove { .. } => self.remove(),
            Action::RemoveTree { .. } => self.remove_tree(),
            Action::Fetch(fetch) => self.fetch(fetch),
            Action::Unpack(unpack) => self.unpack(unpack),
            Action::Checkout(checkout) => self.checkout(checkout),
            Action::Run(_) => Ok((None, Vec::new())),
        }
    }

    fn make_folder(&self, mode: u32, owner: Owner) -> Result<Predicted, Fault> {
        self.folder_above()?;
        if let Some(before) = self.before {
            return Err(before.kind.instead_of(self.path, "free place for a folder"));
        }
        let node = Node {
            body: Body::NewFolder,
            mode: checked(mode, self.path)?,
            owner,
        };
        let mut differences = vec![self.kind(Side::Text("folder".into()))];
        differences.extend(self.mode_differs(mode));
        differences.extend(self.owner_differs(owner));
        Ok((Some(node), differences))
    }

    fn write(
        &self,
        content: &Content,
        mode: Option<u32>,
        owner: Owner,
    ) -> Result<Predicted, Fault> {
        self.folder_above()?;
        if let Some(before) = self.before.filter(|before| before.kind != Kind::File) {
            return Err(before.kind.instead_of(self.path, "file"));
        }
        if content.bytes().len() as u64 > MAX_READ_BYTES {
            let message = format!("more than {MAX_READ_BYTES} bytes are to be written");
            return Err(Fault::of(FaultKind::TooLarge, message).at(self.path));
        }
        let mode = mode
            .or_else(|| self.before.map(|before| before.mode))
            .unwrap_or_else(|| mode_of_new(content));
        let node = Node {
            body: Body::File(content.clone()),
            mode: checked(mode, self.path)?,
            owner: owner.or(self
                .before
                .map_or_else(Owner::default, |before| before.owner)),
        };
        let mut differences = Vec::new();
        if self.before.is_none() {
            differences.push(self.kind(Side::Text("file".into())));
        }
        let before = self.content_before()?;
        let after = Side::of(content);
        if before != after || before == Side::Hidden {
            differences.push(self.differs(Attribute::Content, before, after));
        }
        differences.extend(self.mode_differs(mode));
        differences.extend(self.owner_differs(owner));
        Ok((Some(node), differences))
    }

    fn fetch(&self, fetch: &Fetch) -> Result<Predicted, Fault> {
        self.folder_above()?;
        if let Some(before) = self.before.filter(|before| before.kind != Kind::File) {
            return Err(before.kind.instead_of(self.path, "file"));
        }
        let side = |digest: Option<Digest>| {
            let digest = digest.map(|digest| format!("sha256 {digest}"));
            Side::Text(digest.unwrap_or_else(|| "some content".into()))
        };
        let (mut differences, mut before) = (Vec::new(), Side::Absent);
        if self.before.is_none() {
            differences.push(self.kind(Side::Text("file".into())));
        } else {
            before = side(self.look.digest(self.path)?);
        }
        let after = side(fetch.digest);
        differences.push(self.differs(Attribute::Content, before, after));
        differences.extend(self.mode_differs(fetch.mode));
        differences.extend(self.owner_differs(fetch.owner));
        let node = Node {
            body: Body::Fetched(fetch.digest),
            mode: checked(fetch.mode, self.path)?,
            owner: fetch.owner,
        };
        Ok((Some(node), differences))
    }

    fn unpack(&self, unpack: &Unpack) -> Result<Predicted, Fault> {
        self.folder_above()?;
        let mut differences = Vec::new();
        let note = match self.before {
            None => {
                differences.push(self.kind(Side::Text("folder".into())));
                None
            }
            Some(before) if before.kind == Kind::Folder => self.look.read(self.path.join(NOTE))?,
            Some(before) => return Err(before.kind.instead_of(self.path, "folder")),
        };
        let after = Side::Text(unpack.note());
        let note = note.map_or(Side::Absent, |note| Side::of_bytes(&note));
        differences.push(self.differs(Attribute::Named("archive".into()), note, after));
        let node = Node {
            body: Body::Unpacked,
            mode: FOLDER_MODE,
            owner: Owner::default(),
        };
        Ok((Some(node), differences))
    }

    fn checkout(&self, checkout: &Checkout) -> Result<Predicted, Fault> {
        self.folder_above()?;
        let mut differences = Vec::new();
        match self.before {
            None => differences.push(self.kind(Side::Text("folder".into()))),
            Some(before) if before.kind == Kind::Folder => {}
            Some(before) => return Err(before.kind.instead_of(self.path, "folder")),
        }
        let commit = checkout.commit.as_deref();
        let commit = Side::Text(commit.unwrap_or(SOME_COMMIT).into());
        let before = self.look.read(self.path.join(".git/HEAD"))?;
        let before = before.map_or(Side::Absent, |head| Side::of_bytes(head.trim_ascii()));
        differences.push(self.differs(Attribute::Named("commit".into()), before, commit));
        let node = Node {
            body: Body::Unpacked,
            mode: FOLDER_MODE,
            owner: Owner::default(),
        };
        Ok((Some(node), differences))
    }

    fn set_mode(&self, mode: u32) -> Result<Predicted, Fault> {
        let (_, mut node) = self.with_attributes()?;
        node.mode = checked(mode, self.path)?;
        Ok((Some(node), self.mode_differs(mode).into_iter().collect()))
    }

    fn set_owner(&self, owner: Owner) -> Result<Predicted, Fault> {
        let (before, mut node) = self.with_attributes()?;
        node.owner = owner.or(before.owner);
        if before.kind == Kind::File {
            node.mode = mode_after_new_owner(node.mode);
        }
        Ok((Some(node), self.owner_differs(owner).into_iter().collect()))
    }

    fn link(&self, target: &Path) -> Result<Predicted, Fault> {
        self.folder_above()?;
        if target.as_os_str().is_empty() {
            return Err(Fault::refused(self.path, "a symlink needs a target"));
        }
        let text = |target: &Path| Side::of_bytes(target.as_os_str().as_encoded_bytes());
        let mut differences = Vec::new();
        let before = match self.before {
            None => {
                differences.push(self.kind(Side::Text("symlink".into())));
                Side::Absent
            }
            Some(before) if before.kind == Kind::Symlink => {
                let before = self.look.read_link(self.path)?;
                before.map_or(Side::Absent, |target| text(&target))
            }
            Some(before) => return Err(before.kind.instead_of(self.path, "symlink")),
        };
        differences.push(self.differs(Attribute::Target, before, text(target)));
        let node = Node {
            body: Body::Symlink(target.to_owned()),
            // As Linux has it for all symlinks.
            mode: 0o777,
            owner: Owner::default(),
        };
        Ok((Some(node), differences))
    }

    fn remove(&self) -> Result<Predicted, Fault> {
        let before = self.there()?;
        match before.kind {
            Kind::File => {
                // What others may not read is told to nobody as it goes: an earlier run may have put a
                // secret there.
                let content = match before.mode & 0o077 {
                    0 => Side::Hidden,
                    _ => self.content_before()?,
                };
                let gone = [
                    self.kind(Side::Absent),
                    self.differs(Attribute::Content, content, Side::Absent),
                ];
                Ok((None, gone.into()))
            }
            Kind::Symlink => Ok((None, vec![self.kind(Side::Absent)])),
            other => Err(other.instead_of(self.path, "file or symlink")),
        }
    }

    fn remove_tree(&self) -> Result<Predicted, Fault> {
        let before = self.there()?;
        if before.kind != Kind::Folder {
            return Err(before.kind.instead_of(self.path, "folder"));
        }
        if is_vital(self.path) {
            let message = "the system lives on this folder, it is not removed";
            return Err(Fault::refused(self.path, message));
        }
        Ok((None, vec![self.kind(Side::Absent)]))
    }

    fn there(&self) -> Result<Entry, Fault> {
        self.before
            .ok_or_else(|| Fault::of(FaultKind::Missing, "there is nothing").at(self.path))
    }

    /// Returns what is there if it has a mode and an owner of its own, also as a prediction.
    fn with_attributes(&self) -> Result<(Entry, Node), Fault> {
        let before = self.there()?;
        if !matches!(before.kind, Kind::File | Kind::Folder) {
            return Err(before.kind.instead_of(self.path, "file or folder"));
        }
        let body = self.look.body(self.path, before);
        let (mode, owner) = (before.mode, before.owner);
        Ok((before, Node { body, mode, owner }))
    }

    /// Refuses a path whose folder is not there.
    fn folder_above(&self) -> Result<(), Fault> {
        let Some(folder) = self.path.parent() else {
            return Err(Fault::refused(self.path, "`/` is always there"));
        };
        match self.look.entry(folder)? {
            Some(entry) if entry.kind == Kind::Folder => Ok(()),
            Some(entry) => Err(entry.kind.instead_of(folder, "folder")),
            None => {
                let message = "there is no such folder for what is to be made in it";
                Err(Fault::of(FaultKind::Missing, message).at(folder))
            }
        }
    }

    /// The content of the file, for a report.
    fn content_before(&self) -> Result<Side, Fault> {
        match self.before {
            None => Ok(Side::Absent),
            Some(before) if before.size > MAX_READ_BYTES => {
                Ok(Side::Text(format!("{} bytes", before.size)))
            }
            Some(_) => {
                let content = self.look.content(self.path)?;
                Ok(content.map_or(Side::Absent, |content| Side::of(&content)))
            }
        }
    }

    fn kind(&self, after: Side) -> Difference {
        let before = self.before.map_or(Side::Absent, |before| {
            Side::Text(before.kind.word().to_owned())
        });
        self.differs(Attribute::Kind, before, after)
    }

    fn mode_differs(&self, after: u32) -> Option<Difference> {
        let before = self.before.map(|before| before.mode);
        (before != Some(after)).then(|| {
            let before = before.map_or(Side::Absent, Side::mode);
            self.differs(Attribute::Mode, before, Side::mode(after))
        })
    }

    fn owner_differs(&self, asked: Owner) -> Option<Difference> {
        let before = self.before.map(|before| before.owner.only(asked));
        (!asked.is_none() && before != Some(asked)).then(|| {
            let before = before.map_or(Side::Absent, owner_side);
            self.differs(Attribute::Owner, before, owner_side(asked))
        })
    }

    fn differs(&self, attribute: Attribute, before: Side, after: Side) -> Difference {
        Difference::new(self.path, attribute, before, after)
    }
}

fn checked(mode: u32, path: &Path) -> Result<u32, Fault> {
    if mode <= 0o7777 {
        return Ok(mode);
    }
    let message = format!("{mode:#o} is no mode: it has more than the bits 0o7777");
    Err(Fault::refused(path, message))
}

/// Returns the mode of a file that gets another owner: Linux takes the right to act as its owner.
fn mode_after_new_owner(mode: u32) -> u32 {
    let runs_as_group = mode & 0o010 != 0;
    mode & if runs_as_group { !0o6000 } else { !0o4000 }
}

fn owner_side(owner: Owner) -> Side {
    let text = |id: Option<u32>| id.map_or_else(String::new, |id| id.to_string());
    Side::Text(format!("{}:{}", text(owner.uid), text(owner.gid)))
}

/// Returns true for folders whose loss ends a system: those at the top, and those right below
/// `/usr`, `/var` and their like.
fn is_vital(path: &Path) -> bool {
    const ABOVE: [&str; 5] = ["/usr", "/var", "/boot", "/lib", "/home"];
    let depth = path.components().count() - 1;
    depth < 2 || depth == 2 && ABOVE.iter().any(|above| path.starts_with(above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_a_system_lives_on_are_vital() {
        for path in ["/", "/etc", "/srv", "/usr/lib", "/var/lib", "/home/alice"] {
            assert!(is_vital(Path::new(path)), "{path}");
        }
        for path in ["/srv/app", "/etc/nginx", "/tmp/x", "/var/lib/app"] {
            assert!(!is_vital(Path::new(path)), "{path}");
        }
    }
}
