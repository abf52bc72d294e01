//! Calls about files for which WASI has no words: mode and owner, links to anywhere, and renames that
//! are on disk when they return.
//!
//! A path is looked up below the directory that was granted, by the kernel where it can (Linux 5.6).
//! The last part of a path is never followed, so that a link cannot stand for its target.

use std::{
    fs::{File, Metadata, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, openat, openat2, readlinkat},
    io::Errno,
};
use serde::de::DeserializeOwned;
use wasmtime::{Caller, Linker, Result};
use wxec_protocol::{
    Need,
    abi::{
        self, FileAttributes, FileKind, FileRename, FileStatus, FileStatusFound, FileSymlink,
        FileSync,
    },
    cbor,
};

use super::{
    reply::{Denial, answer, question},
    resources::invalid,
};
use crate::{
    call::guest::Guest,
    limits::refusal::Refusal,
    wasi::{NoSpot, PathError, Root},
};

/// Bits of a mode that can be set: permissions, setuid, setgid and sticky.
const MODE_BITS: u32 = 0o7777;

/// Length of the longest path that Linux accepts.
const MAX_PATH_BYTES: usize = 4096;

/// What a call does on a thread that may block, and its reply.
type Work = Box<dyn FnOnce() -> io::Result<Vec<u8>> + Send>;

pub(super) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    macro_rules! calls {
        ($($name:literal $prepare:ident),*) => {$(
            linker.func_wrap_async(abi::IMPORTS, $name, |caller, (pointer, length)| {
                Box::new(call(caller, pointer, length, $prepare))
            })?;
        )*};
    }
    calls!("file_status" status, "file_attributes" attributes, "file_symlink" symlink);
    calls!("file_rename" rename, "file_sync" sync);
    Ok(())
}

/// Answers a call: `prepare` checks the question against the grants.
async fn call<Q: DeserializeOwned>(
    mut caller: Caller<'_, Guest>,
    pointer: u32,
    length: u32,
    prepare: fn(&mut Guest, Q) -> Result<Work, Denial>,
) -> Result<i32> {
    let question = question::<Q>(&mut caller, pointer, length)?;
    let work = question.and_then(|question| prepare(caller.data_mut(), question));
    let done = match work {
        Ok(work) => finish(work).await,
        Err(denial) => Err(denial),
    };
    let guest = caller.data_mut();
    match done {
        Ok(reply) => {
            guest.refused = None;
            guest.reply = reply;
            Ok(0)
        }
        Err(denial) => Ok(answer::<()>(guest, Err(denial))),
    }
}

async fn finish(work: Work) -> Result<Vec<u8>, Denial> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

fn status(guest: &mut Guest, question: FileStatus) -> Result<Work, Denial> {
    let place = Place::read(guest, &question.path)?;
    Ok(Box::new(move || {
        let file = place.open(OFlags::PATH)?;
        let found = describe(&file, &file.metadata()?)?;
        Ok(cbor::encode(&found).expect("numbers and bytes always encode"))
    }))
}

fn attributes(guest: &mut Guest, question: FileAttributes) -> Result<Work, Denial> {
    let FileAttributes {
        path,
        mode,
        uid,
        gid,
    } = question;
    let place = Place::write(guest, &path)?;
    if !guest.grants.attributes {
        return Err(Refusal::Denied(Need::Attributes).into());
    }
    if mode.is_some_and(|mode| mode > MODE_BITS) {
        return Err(invalid(format!("a mode has no bits beyond {MODE_BITS:o}")));
    }
    // The kernel takes the largest number for "unchanged".
    if [uid, gid].contains(&Some(u32::MAX)) {
        return Err(invalid(format!("no account has the number {}", u32::MAX)));
    }
    Ok(Box::new(move || {
        let file = place.open(OFlags::PATH)?;
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
            chownat(&file, "", uid, gid, AtFlags::EMPTY_PATH)?;
        }
        if let Some(mode) = mode {
            // Before Linux 6.6 no system call sets the mode of a file that is not opened further.
            let opened = format!("/proc/self/fd/{}", file.as_raw_fd());
            std::fs::set_permissions(opened, Permissions::from_mode(mode))?;
        }
        Ok(Vec::new())
    }))
}

fn symlink(guest: &mut Guest, question: FileSymlink) -> Result<Work, Denial> {
    let place = Place::create(guest, &question.path)?;
    Ok(Box::new(move || {
        let (directory, name) = place.parent()?;
        rustix::fs::symlinkat(&question.target, directory, name)?;
        Ok(Vec::new())
    }))
}

fn rename(guest: &mut Guest, question: FileRename) -> Result<Work, Denial> {
    let from = Place::write(guest, &question.from)?;
    let to = Place::create(guest, &question.to)?;
    Ok(Box::new(move || {
        let (from_directory, from_name) = from.parent()?;
        let (to_directory, to_name) = to.parent()?;
        if from.open(OFlags::PATH)?.metadata()?.is_file() {
            from.open(OFlags::RDONLY)?.sync_all()?;
        }
        rustix::fs::renameat(&from_directory, from_name, &to_directory, to_name)?;
        to_directory.sync_all()?;
        from_directory.sync_all()?;
        Ok(Vec::new())
    }))
}

fn sync(guest: &mut Guest, question: FileSync) -> Result<Work, Denial> {
    let place = Place::write(guest, &question.path)?;
    Ok(Box::new(move || {
        place.open(OFlags::RDONLY | OFlags::DIRECTORY)?.sync_all()?;
        Ok(Vec::new())
    }))
}

fn describe(file: &File, found: &Metadata) -> io::Result<FileStatusFound> {
    let kind = found.file_type();
    let target = if kind.is_symlink() {
        Some(readlinkat(file, "", Vec::new())?.into_bytes())
    } else {
        None
    };
    Ok(FileStatusFound {
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
    fn parent(&self) -> io::Result<(File, &str)> {
        let path = self.path.trim_end_matches('/');
        let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
        if matches!(name, "" | "." | "..") {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path ends in no name",
            ));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Ok((open_below(&self.root, directory, flags)?, name))
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
    match openat2(root, path, flags, Mode::empty(), resolve) {
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
    let mut at = openat(root, ".", on_the_way, Mode::empty())?;
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    for (index, part) in parts.iter().enumerate() {
        if *part == ".." {
            return Err(Errno::XDEV.into());
        }
        let is_last = index + 1 == parts.len();
        let flags = if is_last { flags } else { on_the_way };
        at = openat(&at, *part, flags, Mode::empty())?;
    }
    Ok(at.into())
}
