//! The disk: files and directories as both roles find and write them.

mod account;
mod attributes;
mod directory;
mod extents;
mod link_end;
mod metadata;
mod partial_file;
mod unfinished;

pub use self::{partial_file::MIN_PART_BYTES, unfinished::Unfinished};

pub(crate) use self::{
    account::{expand_home, group, user},
    attributes::Attributes,
    directory::{Tree, make, names, open_named, remove},
    extents::{Extents, Piece, fingerprint_of, hash_file, up_to},
    link_end::{LinkEnd, link_end},
    metadata::{DIRECTORY_BITS, FILE_BITS, Metadata, metadata},
    partial_file::PartialFile,
    unfinished::place_link,
};
