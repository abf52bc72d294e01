//! The prefabs of this crate.

mod absent;
mod archive;
mod authorized_key;
mod block;
mod cron;
mod download;
mod exists;
mod file;
mod folder;
mod git;
mod group;
mod line;
mod package;
mod pip;
mod setting;
mod symlink;
mod text;
mod unit;
mod user;

pub use self::{
    absent::Absent,
    archive::{Archive, MAX_UNPACKED_BYTES, archive},
    authorized_key::{AuthorizedKey, authorized_key},
    block::{Block, block},
    cron::{Cron, cron},
    download::{Download, MAX_DOWNLOAD_BYTES, download},
    exists::{Exists, exists},
    file::{File, file},
    folder::{Folder, folder},
    git::{Git, git},
    group::{Group, group},
    line::{Line, line},
    package::{Package, package, packages},
    pip::{Pip, pip},
    setting::{Setting, setting},
    symlink::{Symlink, symlink},
    unit::{Unit, unit},
    user::{User, user},
};
