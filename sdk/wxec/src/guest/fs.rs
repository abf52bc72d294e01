//! Files of the host, where `std::fs` has no words for them in a module.

use std::{
    ffi::OsString,
    io,
    os::wasi::ffi::OsStringExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

pub use wxec_protocol::abi::FileKind as Kind;
use wxec_protocol::abi::{FileAction, FileCall, FileStatus};

use super::{ask, imports};
pub use crate::file::Status;

/// Returns the status of a file, or of a symbolic link itself. Needs the grant to read it.
pub fn status(path: impl AsRef<Path>) -> io::Result<Status> {
    let question = question(FileAction::Status, path.as_ref())?;
    let (_, found) = ask::ask::<FileStatus>(imports::file_call, &question)?;
    let since = Duration::from_nanos(found.modified_ns.unsigned_abs());
    let modified = if found.modified_ns < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(since)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(since)
    };
    Ok(Status {
        kind: found.kind,
        mode: found.mode,
        uid: found.uid,
        gid: found.gid,
        size: found.size,
        modified: modified.unwrap_or(SystemTime::UNIX_EPOCH),
        device: found.device,
        inode: found.inode,
        target: found.target.map(|target| OsString::from_vec(target).into()),
    })
}

/// Sets the mode of a regular file or a directory: 12 bits. Needs the grants to write it and of
/// attributes.
pub fn set_mode(path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
    change(path.as_ref(), Some(mode), None, None)
}

/// Sets owner and group of a regular file or a directory, where they are given. Needs the grants to
/// write it and of attributes.
pub fn set_owner(path: impl AsRef<Path>, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    change(path.as_ref(), None, uid, gid)
}

/// Makes a symbolic link, whose target is any text. Needs the grant to write the path.
pub fn symlink(target: impl AsRef<Path>, path: impl AsRef<Path>) -> io::Result<()> {
    let mut question = question(FileAction::Symlink, path.as_ref())?;
    question.target = Some(text(target.as_ref())?);
    ask::told(imports::file_call, &question)
}

/// Returns the target of a symbolic link. Needs the grant to read it.
pub fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let target = status(path)?.target;
    target.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Renames a file or a directory, and returns when the new name is on the disk. Needs the grants to
/// write both paths.
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    crate::file::rename(from.as_ref(), to.as_ref())
}

/// Writes the entries of a directory to the disk. Needs the grant to write it.
pub fn sync_directory(path: impl AsRef<Path>) -> io::Result<()> {
    let question = question(FileAction::SyncDirectory, path.as_ref())?;
    ask::told(imports::file_call, &question)
}

/// Locks a file until the call ends. Fails with [`io::ErrorKind::WouldBlock`] if another process has
/// locked it. Needs the grant to write it.
pub fn lock(path: impl AsRef<Path>) -> io::Result<Lock> {
    let question = question(FileAction::Lock, path.as_ref())?;
    ask::told(imports::file_call, &question).map(|()| Lock(()))
}

/// A lock of a file, made by [`lock`].
#[derive(Debug)]
pub struct Lock(());

fn change(path: &Path, mode: Option<u32>, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let question = FileCall {
        mode,
        uid,
        gid,
        ..question(FileAction::SetAttributes, path)?
    };
    ask::told(imports::file_call, &question)
}

fn question(action: FileAction, path: &Path) -> io::Result<FileCall> {
    Ok(FileCall {
        action,
        path: text(path)?,
        target: None,
        mode: None,
        uid: None,
        gid: None,
    })
}

fn text(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{} is not Unicode, and cannot be sent to the host",
                path.display()
            ),
        )),
    }
}
