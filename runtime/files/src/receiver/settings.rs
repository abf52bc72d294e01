//! The request of a transfer: its target and options, with all names looked up.

use crate::{
    Failure, Options, Step, Target, Unfinished,
    disk::{self, Attributes, DIRECTORY_BITS, FILE_BITS},
    wire::Time,
};

/// The request. It stays the same throughout the transfer.
pub(super) struct Settings<'a> {
    pub(super) target: &'a Target,
    pub(super) options: &'a Options,
    /// True if an attempt was cut a moment ago: its receiver may still hold the part.
    pub(super) resuming: bool,
    pub(super) unfinished: &'a Unfinished,
    pub(super) accounts: Accounts,
}

/// The numbers of the owner and the group that were asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Accounts {
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
}

impl<'a> Settings<'a> {
    pub(super) fn new(
        target: &'a Target,
        options: &'a Options,
        resuming: bool,
        unfinished: &'a Unfinished,
    ) -> Result<Self, Failure> {
        let accounts = match target {
            Target::Path(path) => Accounts::find(path, options)?,
            Target::Memory { .. } | Target::Writer(_) => Accounts::default(),
        };
        Ok(Self {
            target,
            options,
            resuming,
            unfinished,
            accounts,
        })
    }

    /// Returns the attributes that a file will have.
    pub(super) fn file_attributes(&self, mode: u32, modified: Time) -> Attributes {
        // Never takes over a bit that runs a program as another account: another machine must not
        // decide that.
        let (mode, mode_bits) = match self.options.mode {
            Some(mode) => (mode & 0o7777, 0o7777),
            None => (mode & FILE_BITS, FILE_BITS),
        };
        self.attributes(Some(mode), mode_bits, modified)
    }

    /// Returns the attributes that a directory will have once it is done. Without a mode in the
    /// options it keeps the mode that it was made with, or had before: a transfer must not close
    /// `/tmp`.
    pub(super) fn directory_attributes(&self, modified: Time) -> Attributes {
        let mode = self
            .options
            .mode
            .map(|mode| (mode | (mode & 0o444) >> 2) & 0o7777);
        self.attributes(mode, 0o7777, modified)
    }

    fn attributes(&self, mode: Option<u32>, mode_bits: u32, modified: Time) -> Attributes {
        let Accounts { user, group } = self.accounts;
        Attributes {
            mode,
            mode_bits,
            user,
            group,
            modified: self.options.times.then_some(modified),
        }
    }

    /// Returns the mode to make a directory with. A mode from the options is set once the directory
    /// is done.
    pub(super) fn new_directory_mode(&self, mode: u32) -> u32 {
        if self.options.mode.is_some() {
            0o700
        } else {
            mode & DIRECTORY_BITS
        }
    }
}

impl Accounts {
    fn find(path: &[u8], options: &Options) -> Result<Self, Failure> {
        let failed = |kind| Failure::new(Step::SettingOwner, path, kind);
        let user = options.owner.as_deref().map(disk::user).transpose();
        let group = options.group.as_deref().map(disk::group).transpose();
        Ok(Self {
            user: user.map_err(failed)?,
            group: group.map_err(failed)?,
        })
    }
}
