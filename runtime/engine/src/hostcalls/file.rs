//! Calls about files for which WASI has no words: mode and owner, links to anywhere, and directories
//! that are to be on disk.
//!
//! A path is looked up below the directory that was granted, by the kernel where it can (Linux 5.6).
//! The last part of a path is never followed, so that a link cannot stand for its target.

use std::{
    ffi::CString,
    fs::{File, Metadata},
    io,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    sync::Arc,
};

use rustix::{
    fs::{
        AtFlags, FlockOperation, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, flock, openat,
        openat2, readlinkat,
    },
    io::Errno,
};
use wasmtime::{Caller, Linker, Result};
use wxec_protocol::{
    Need,
    abi::{FileAction, FileCall, FileKind, FileStatus},
    cbor,
};

use super::{
    linking::link_asking,
    reply::{Denial, answer, question},
    resources::invalid,
};
use crate::{
    call::guest::Guest,
    limits::refusal::Refusal,
    sync::blocking,
    wasi::{NoSpot, PathError, Root},
};

/// Bits of a mode that can be set: permissions, setuid, setgid and sticky.
const MODE_BITS: u32 = 0o7777;

/// Number of files that a guest may have locked: a plan needs one, for its record.
const MAX_LOCKS: usize = 8;

/// Length of the longest path that Linux accepts.
const MAX_PATH_BYTES: usize = 4096;

pub(super) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    link_asking(
        linker,
        [("file_call", |caller, pointer, length| {
            Box::new(file_call(caller, pointer, length))
        })],
    )
}

async fn file_call(mut caller: Caller<'_, Guest>, pointer: u32, length: u32) -> Result<i32> {
    let question = question::<FileCall>(&mut caller, pointer, length)?;
    let work = question.and_then(|question| Work::granted(caller.data_mut(), question));
    let done = match work {
        Ok(work) => finish(work).await,
        Err(denial) => Err(denial),
    };
    let guest = caller.data_mut();
    match done {
        Ok((reply, locked)) => {
            guest.refused = None;
            guest.reply = reply;
            guest.resources.locks.extend(locked);
            Ok(0)
        }
        Err(denial) => Ok(answer::<()>(guest, Err(denial))),
    }
}

async fn finish(work: Work) -> Result<Done, Denial> {
    Ok(blocking(move || work.perform()).await?)
}

/// The reply, and a file that stays locked.
type Done = (Vec<u8>, Option<File>);

/// An action that is granted, to be done on a thread that may block.
struct Work {
    question: FileCall,
    place: Place,
}

impl Work {
    /// Checks the question against the grants.
    fn granted(guest: &mut Guest, question: FileCall) -> Result<Self, Denial> {
        let FileCall {
            action,
            path,
            target,
            ..
        } = &question;
        let place = match action {
            FileAction::Status => Place::read(guest, path),
            FileAction::Symlink => Place::create(guest, path),
            _ => Place::write(guest, path),
        }?;
        if *action == FileAction::SetAttributes {
            check_attributes(guest, &question)?;
        }
        if *action == FileAction::Symlink && target.is_none() {
            return Err(invalid("a symbolic link without a target".into()));
        }
        if *action == FileAction::Lock && guest.resources.locks.len() >= MAX_LOCKS {
            return Err(invalid("too many files are locked".into()));
        }
        Ok(Self { question, place })
    }

    fn perform(&self) -> io::Result<Done> {
        let Self { question, place } = self;
        match question.action {
            FileAction::Status => {
                let file = place.open(OFlags::PATH)?;
                let found = describe(&file, &file.metadata()?)?;
                let reply = cbor::encode(&found).expect("numbers and bytes always encode");
                return Ok((reply, None));
            }
            FileAction::SetAttributes => set_attributes(&place.open(OFlags::PATH)?, question)?,
            FileAction::Symlink => {
                let (directory, name) = place.parent()?;
                let target = CString::new(question.target.clone().unwrap_or_default())?;
                rustix::fs::symlinkat(&*target, directory, &*name)?;
            }
            FileAction::SyncDirectory => {
                place.open(OFlags::RDONLY | OFlags::DIRECTORY)?.sync_all()?
            }
            FileAction::Lock => {
                let file = place.open(OFlags::RDONLY | OFlags::NONBLOCK)?;
                flock(&file, FlockOperation::NonBlockingLockExclusive)?;
                return Ok((Vec::new(), Some(file)));
            }
        }
        Ok((Vec::new(), None))
    }
}

fn check_attributes(guest: &Guest, question: &FileCall) -> Result<(), Denial> {
    if !guest.grants.attributes {
        return Err(Refusal::Denied(Need::Attributes).into());
    }
    if question.mode.is_some_and(|mode| mode > MODE_BITS) {
        return Err(invalid("a mode has no bits beyond 7777".into()));
    }
    // The kernel takes the largest number for "unchanged".
    if [question.uid, question.gid].contains(&Some(u32::MAX)) {
        return Err(invalid("no account has the number 4294967295".into()));
    }
    Ok(())
}

fn set_attributes(file: &File, question: &FileCall) -> io::Result<()> {
    let FileCall { mode, uid, gid, .. } = question;
    let found = file.metadata()?;
    if !(found.is_file() || found.is_dir()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "neither a regular file nor a directory",
        ));
    }
    // The owner first: a change of it takes bits of the mode away.
    if uid.is_some() || gid.is_some() {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        chownat(file, c"", uid, gid, AtFlags::EMPTY_PATH)?;
    }
    if let Some(mode) = mode {
        // Before Linux 6.6 no system call sets the mode of a file that is not opened further.
        let opened = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        rustix::fs::chmod(&*opened, Mode::from_raw_mode(*mode))?;
    }
    Ok(())
}

fn describe(file: &File, found: &Metadata) -> io::Result<FileStatus> {
    let kind = found.file_type();
    let target = if kind.is_symlink() {
        Some(readlinkat(file, c"", Vec::new())?.into_bytes())
    } else {
        None
    };
    Ok(FileStatus {
        kind: match () {
            () if kind.is_file() => FileKind::File,
            () if kind.is_dir() => FileKind::Directory,
            () if kind.is_symlink() => FileKind::Symlink,
            () => FileKind::Other,
        },
        mode: found.mode() & MODE_BITS,
        uid: found.uid(),
        gid: found.gid(),
        size: found.size(),
        modified_ns: found
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(found.mtime_nsec()),
        device: found.dev(),
        inode: found.ino(),
        target,
    })
}

/// A path in a directory that was granted.
struct Place {
    root: Arc<File>,
    path: String,
    is_writable: bool,
}

impl Place {
    fn read(guest: &mut Guest, path: &str) -> Result<Self, Denial> {
        Self::find(guest, path, Need::Read).map(|(place, _)| place)
    }

    fn write(guest: &mut Guest, path: &str) -> Result<Self, Denial> {
        Self::writable(guest, path).map(|(place, _)| place)
    }

    /// Finds the place of a new name. A file that is granted by its name is never replaced by
    /// another, above all by a link: the next call would be granted what the link leads to.
    fn create(guest: &mut Guest, path: &str) -> Result<Self, Denial> {
        match Self::writable(guest, path)? {
            (place, false) => Ok(place),
            (_, true) => Err(invalid(format!(
                "{path} is granted by its name, so another file cannot take the name"
            ))),
        }
    }

    fn writable(guest: &mut Guest, path: &str) -> Result<(Self, bool), Denial> {
        let (place, is_named) = Self::find(guest, path, Need::Write)?;
        if place.is_writable {
            Ok((place, is_named))
        } else {
            Err(Refusal::Denied(Need::Write(path.into())).into())
        }
    }

    /// Finds the place of `path`, and whether it is granted by its own name.
    fn find(
        guest: &mut Guest,
        path: &str,
        need: fn(String) -> Need,
    ) -> Result<(Self, bool), Denial> {
        if path.len() > MAX_PATH_BYTES {
            return Err(invalid("a path that is too long to be one".into()));
        }
        let places = &guest.with_wasi().wasi.places;
        let spot = places.find(path).map_err(|why| match why {
            NoSpot::Denied(path) => Refusal::Denied(need(path)).into(),
            NoSpot::Failed(error) => Denial::from(io::Error::from(kind(error))),
        })?;
        let root = places.root(spot.fd);
        let Root {
            directory, write, ..
        } = root.ok_or_else(|| invalid("the directory cannot be used".into()))?;
        let place = Self {
            root: directory.clone(),
            path: spot.path,
            is_writable: *write,
        };
        Ok((place, spot.is_named))
    }

    /// Opens the file itself, if it is a link.
    fn open(&self, flags: OFlags) -> io::Result<File> {
        open_below(&self.root, &self.path, flags)
    }

    /// Opens the directory of the path, and returns the name in it.
    fn parent(&self) -> io::Result<(File, CString)> {
        let path = self.path.trim_end_matches('/');
        let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
        if matches!(name, "" | "." | "..") {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path ends in no name",
            ));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Ok((
            open_below(&self.root, directory, flags)?,
            CString::new(name)?,
        ))
    }
}

/// Returns the kind of an error of WASI that granted paths can have.
fn kind(error: PathError) -> io::ErrorKind {
    match error {
        PathError::Noent => io::ErrorKind::NotFound,
        PathError::Acces => io::ErrorKind::PermissionDenied,
        PathError::Notdir => io::ErrorKind::NotADirectory,
        _ => io::ErrorKind::Other,
    }
}

/// Opens `path`, without following a link in its last part, nor any that leads out of `root`.
fn open_below(root: &File, path: &str, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let name = CString::new(path)?;
    match openat2(root, &*name, flags, Mode::empty(), resolve) {
        Ok(file) => Ok(file.into()),
        Err(Errno::XDEV) => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "a symbolic link leads out of what was granted",
        )),
        // An old kernel, or a container's filter of system calls.
        Err(Errno::NOSYS | Errno::PERM) => walk(root, path, flags),
        Err(error) => Err(error.into()),
    }
}

/// Opens `path` part by part, and refuses links on the way.
fn walk(root: &File, path: &str, flags: OFlags) -> io::Result<File> {
    let on_the_way = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = openat(root, c".", on_the_way, Mode::empty())?;
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        if part == ".." {
            return Err(Errno::XDEV.into());
        }
        let is_last = parts.peek().is_none();
        let flags = if is_last { flags } else { on_the_way };
        at = openat(&at, &*CString::new(part)?, flags, Mode::empty())?;
    }
    Ok(at.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn kernels_without_openat2_reach_the_same_but_through_links() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("in/sub")).unwrap();
        std::fs::write(place.path().join("in/sub/file"), "7 bytes").unwrap();
        std::fs::write(place.path().join("secret"), "").unwrap();
        symlink("sub", place.path().join("in/link")).unwrap();
        let root = File::open(place.path().join("in")).unwrap();
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        for path in ["sub/file", "./sub//file", "sub/./file"] {
            assert_eq!(
                walk(&root, path, flags).unwrap().metadata().unwrap().len(),
                7,
                "{path}"
            );
        }
        assert!(
            walk(&root, ".", flags)
                .unwrap()
                .metadata()
                .unwrap()
                .is_dir()
        );
        let link = walk(&root, "link", flags).unwrap();
        assert!(link.metadata().unwrap().is_symlink());
        for path in ["link/file", "../secret", "sub/../../secret", "sub/none"] {
            assert!(walk(&root, path, flags).is_err(), "{path}");
        }
    }
}
