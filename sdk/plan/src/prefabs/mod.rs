//! Prefabs for files: whole ones, and parts of them.

mod absent;
mod block;
mod file;
mod folder;
mod line;
mod setting;
mod symlink;
mod text;

pub use self::{
    absent::Absent,
    block::{Block, block},
    file::{File, file},
    folder::{Folder, folder},
    line::{Line, line},
    setting::{Setting, setting},
    symlink::{Symlink, symlink},
};
