//! Carries actions out on the host.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use wxec::{fs as host, module::Digest};

use crate::{
    action::{Action, FOLDER_MODE, Owner, mode_of_new},
    checkout::Checkout,
    content::Content,
    crash::crash_point,
    fault::{Fault, FaultKind},
    fetch::Fetch,
    unpack::{Unpack, sync_tree},
};

/// Carries out `action`, which was predicted and found harmless.
pub(crate) fn perform(action: &Action) -> Result<(), Fault> {
    let done = match action {
        Action::RemoveTree { path } => remove_tree(path),
        Action::Write {
            path,
            content,
            mode,
            owner,
        } => write(path, content, *mode, *owner).map_err(Fault::io("cannot write it", path)),
        Action::MakeFolder { path, mode, owner } => {
            make_folder(path, *mode, *owner).map_err(Fault::io("cannot make it", path))
        }
        Action::SetMode { path, mode } => {
            host::set_mode(path, *mode).map_err(Fault::io("cannot set its mode", path))
        }
        Action::SetOwner { path, owner } => host::set_owner(path, owner.uid, owner.gid)
            .map_err(Fault::io("cannot set its owner", path)),
        Action::Link { path, target } => {
            link(path, target).map_err(Fault::io("cannot make it", path))
        }
        Action::Remove { path } => {
            fs::remove_file(path).map_err(Fault::io("cannot remove it", path))
        }
        Action::Fetch(fetch) => carry_out_fetch(fetch),
        Action::Unpack(unpack) => carry_out_unpack(unpack),
        Action::Checkout(checkout) => carry_out_checkout(checkout),
        Action::Run(command) => command.carry_out().map(drop),
    };
    done.map_err(|fault| action.blamed(fault))
}

/// Writes a file beside its place, where it gets its mode and owner before its content, and moves
/// it there.
fn write(path: &Path, content: &Content, mode: Option<u32>, owner: Owner) -> io::Result<()> {
    let before = match host::status(path) {
        Ok(status) => Some(status),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let kept = before.as_ref().map_or_else(Owner::default, |before| Owner {
        uid: Some(before.uid),
        gid: Some(before.gid),
    });
    let mode = mode
        .or_else(|| before.map(|before| before.mode))
        .unwrap_or_else(|| mode_of_new(content));

    let (mut file, temporary) = Temporary::make(path, |temporary| {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(temporary)
    })?;
    set_attributes(&temporary.path, mode, owner.or(kept))?;
    file.write_all(content.bytes())?;
    file.sync_all()?;
    drop(file);
    temporary.becomes(path)
}

fn carry_out_fetch(fetch: &Fetch) -> Result<(), Fault> {
    let path = &fetch.path;
    let (mut file, temporary) = Temporary::make(path, |temporary| {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(temporary)
    })
    .map_err(Fault::io("cannot make it", path))?;
    fetch.into(&mut file)?;
    let placed = || {
        set_attributes(&temporary.path, fetch.mode, fetch.owner)?;
        file.sync_all()?;
        drop(file);
        temporary.becomes(path)
    };
    placed().map_err(Fault::io("cannot put it in its place", path))
}

/// Unpacks an archive beside its place, and moves it there, with the old folder out of the way.
fn carry_out_unpack(unpack: &Unpack) -> Result<(), Fault> {
    let place = &unpack.folder;
    let temporary = Tree::beside(place, "new")?;
    let old = Tree::beside(place, "old")?;
    let making = |error| Fault::io("cannot make it", place)(error);
    fs::create_dir(&temporary.0).map_err(making)?;
    unpack.into(&temporary.0)?;
    set_attributes(&temporary.0, FOLDER_MODE, Owner::default()).map_err(making)?;
    crash_point();
    match fs::rename(place, &old.0) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(making(error)),
        _ => {}
    }
    crash_point();
    let moved = host::rename(&temporary.0, place);
    if moved.is_err() {
        // The error of the first move is the one to tell.
        let _ = fs::rename(&old.0, place);
    }
    moved.map_err(making)
}

/// Makes a checkout beside its place and moves it there, or moves the one that is there to its commit.
fn carry_out_checkout(checkout: &Checkout) -> Result<(), Fault> {
    let place = &checkout.path;
    if host::status(place.join(".git")).is_ok() {
        return checkout.update();
    }
    let temporary = Tree::beside(place, "new")?;
    checkout.make(&temporary.0)?;
    sync_tree(&temporary.0)?;
    crash_point();
    host::rename(&temporary.0, place).map_err(Fault::io("cannot make it", place))
}

/// A folder under a temporary name, which is removed in the end if it is there.
struct Tree(PathBuf);

impl Tree {
    fn beside(place: &Path, role: &str) -> Result<Self, Fault> {
        let name = place.file_name().unwrap_or_default();
        let digest = Digest::of(name.as_encoded_bytes()).to_string();
        let path = place.with_file_name(format!(".wxec-{}-{role}", &digest[..NAME_DIGITS]));
        // A run that died may have left it.
        match host::status(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self(path)),
            Err(error) => Err(Fault::io("cannot look at it", &path)(error)),
            Ok(_) => remove_tree(&path).map(|()| Self(path)),
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if host::status(&self.0).is_ok() {
            // The next run removes what this one cannot.
            let _ = remove_tree(&self.0);
        }
    }
}

fn make_folder(path: &Path, mode: u32, owner: Owner) -> io::Result<()> {
    let ((), temporary) = Temporary::make(path, |temporary| fs::create_dir(temporary))?;
    set_attributes(&temporary.path, mode, owner)?;
    temporary.becomes(path)
}

fn link(path: &Path, target: &Path) -> io::Result<()> {
    let ((), temporary) = Temporary::make(path, |temporary| host::symlink(target, temporary))?;
    temporary.becomes(path)
}

/// Sets the owner, then the mode: another owner takes bits of the mode away. Sets neither if it is
/// so already, because that takes a grant of its own.
fn set_attributes(path: &Path, mode: u32, owner: Owner) -> io::Result<()> {
    let is = host::status(path)?;
    let of_status = Owner {
        uid: Some(is.uid),
        gid: Some(is.gid),
    };
    if of_status.only(owner) != owner {
        host::set_owner(path, owner.uid, owner.gid)?;
    }
    if host::status(path)?.mode != mode {
        host::set_mode(path, mode)?;
    }
    Ok(())
}

/// Something that is made under a temporary name, and removed unless it becomes what it is to be.
struct Temporary {
    path: PathBuf,
    is_placed: bool,
}

impl Temporary {
    /// Makes it beside `place` with `make`, which fails where the name is taken. The name follows from
    /// that of the place, so that what a run left behind that died is found, and removed first.
    fn make<T>(place: &Path, make: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<(T, Self)> {
        let name = place.file_name().unwrap_or_default();
        let digest = Digest::of(name.as_encoded_bytes()).to_string();
        let path = place.with_file_name(format!(".wxec-{}", &digest[..NAME_DIGITS]));
        match fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let made = make(&path)?;
        crash_point();
        let is_placed = false;
        Ok((made, Self { path, is_placed }))
    }

    /// Moves it to its place, on disk as well.
    fn becomes(mut self, place: &Path) -> io::Result<()> {
        crash_point();
        host::rename(&self.path, place)?;
        self.is_placed = true;
        Ok(())
    }
}

/// Digits of a digest in a name: names of one folder do not share so many by accident.
const NAME_DIGITS: usize = 16;

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_placed {
            // The error that led here is the one to report.
            let _ = fs::remove_file(&self.path).or_else(|_| fs::remove_dir(&self.path));
        }
    }
}

/// Removes a folder, unless something is mounted in it.
fn remove_tree(path: &Path) -> Result<(), Fault> {
    let device = host::status(path)
        .map_err(Fault::io("cannot look at it", path))?
        .device;
    let (mut folders, mut count) = (vec![path.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        let looking = |error| Fault::io("cannot list it", &folder)(error);
        for entry in fs::read_dir(&folder).map_err(looking)? {
            let below = entry.map_err(looking)?.path();
            let status = host::status(&below).map_err(Fault::io("cannot look at it", &below))?;
            count += 1;
            if count > MAX_TREE_ENTRIES {
                let message = format!("there are more than {MAX_TREE_ENTRIES} files in it");
                return Err(Fault::of(FaultKind::TooLarge, message).at(path));
            }
            if status.device != device {
                return Err(Fault::refused(
                    &below,
                    "it is mounted, and would be emptied",
                ));
            }
            if status.kind == host::Kind::Directory {
                folders.push(below);
            }
        }
    }
    fs::remove_dir_all(path).map_err(Fault::io("cannot remove it", path))
}

/// Largest tree that is removed: what a plan made is smaller, and a tree that is larger is likely to
/// be a mistake.
const MAX_TREE_ENTRIES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Another program makes a folder with something in it, just where an action was to make
    /// something else.
    #[test]
    fn an_action_that_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("place");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("theirs"), "").unwrap();
        let write = Action::Write {
            path: path.clone(),
            content: Content::new("ours"),
            mode: Some(0o600),
            owner: Owner::default(),
        };
        let link = Action::Link {
            path: path.clone(),
            target: "ours".into(),
        };
        let make = Action::MakeFolder {
            path: path.clone(),
            mode: 0o700,
            owner: Owner::default(),
        };
        for action in [write, link, make] {
            let fault = perform(&action).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Io, "{fault}");
            let names = fs::read_dir(folder.path()).unwrap();
            let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["place"]);
            assert!(path.join("theirs").exists());
        }
    }

    /// Readers of the old file are not disturbed.
    #[test]
    fn an_open_file_keeps_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old").unwrap();
        let open = fs::File::open(&path).unwrap();
        let content = Content::new("new");
        write(&path, &content, None, Owner::default()).unwrap();
        assert_eq!(io::read_to_string(open).unwrap(), "old");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }
}
