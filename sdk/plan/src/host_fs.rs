//! The file calls of `wxec::fs`, until that module is there.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

pub(crate) fn status(path: impl AsRef<Path>) -> io::Result<Status> {
    let found = fs::symlink_metadata(path)?;
    let kind = match found.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_symlink() => Kind::Symlink,
        kind => {
            debug_assert!(kind.is_fifo() || kind.is_socket() || !kind.is_file());
            Kind::Other
        }
    };
    Ok(Status {
        kind,
        mode: found.mode() & 0o7777,
        uid: found.uid(),
        gid: found.gid(),
        size: found.len(),
        modified: found.modified()?,
        device: found.dev(),
        inode: found.ino(),
    })
}

pub(crate) fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    fs::read_link(path)
}

pub(crate) fn symlink(target: impl AsRef<Path>, path: impl AsRef<Path>) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

pub(crate) fn set_mode(path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
    if status(&path)?.kind == Kind::Symlink {
        return Err(io::Error::other("a symlink has no mode"));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

pub(crate) fn set_owner(
    path: impl AsRef<Path>,
    uid: Option<u32>,
    gid: Option<u32>,
) -> io::Result<()> {
    std::os::unix::fs::lchown(path, uid, gid)
}

pub(crate) fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let to = to.as_ref();
    if matches!(status(&from)?.kind, Kind::File | Kind::Directory) {
        File::open(&from)?.sync_all()?;
    }
    fs::rename(from, to)?;
    File::open(to.parent().unwrap_or_else(|| Path::new("/")))?.sync_all()
}
