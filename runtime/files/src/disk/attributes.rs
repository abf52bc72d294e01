//! Mode, owner and time: the attributes that files and directories are given.

use std::io;

use rustix::fs::{Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, fchmod, fchown, futimens};

use super::Metadata;
use crate::{Step, wire::Time};

/// Mode, owner and time to give to a file or directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes {
    /// `None` if the mode is to stay.
    pub(crate) mode: Option<u32>,
    /// The bits of the mode that count. Other bits are the target's own, unless a mode was asked
    /// for.
    pub(crate) mode_bits: u32,
    pub(crate) user: Option<u32>,
    pub(crate) group: Option<u32>,
    pub(crate) modified: Option<Time>,
}

impl Attributes {
    /// Sets them on an open file or directory.
    pub(crate) fn apply(&self, file: impl rustix::fd::AsFd) -> Result<(), (Step, io::Error)> {
        if self.user.is_some() || self.group.is_some() {
            let (user, group) = (self.user.map(Uid::from_raw), self.group.map(Gid::from_raw));
            fchown(&file, user, group).map_err(|error| (Step::SettingOwner, error.into()))?;
        }
        // Sets the mode after the owner, because a change of owner clears bits.
        if let Some(mode) = self.mode {
            fchmod(&file, Mode::from_raw_mode(mode))
                .map_err(|error| (Step::SettingMode, error.into()))?;
        }
        if let Some(Time {
            seconds,
            nanoseconds,
        }) = self.modified
        {
            let last_modification = Timespec {
                tv_sec: seconds,
                tv_nsec: nanoseconds.into(),
            };
            let last_access = Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            };
            futimens(
                &file,
                &Timestamps {
                    last_access,
                    last_modification,
                },
            )
            .map_err(|error| (Step::SettingTimes, error.into()))?;
        }
        Ok(())
    }

    /// Returns true if `found` has this mode and owner already, as far as they are given.
    pub(crate) fn matches(&self, found: &Metadata) -> bool {
        self.mode
            .is_none_or(|mode| found.mode_with(self.mode_bits) == mode & self.mode_bits)
            && self.user.is_none_or(|user| user == found.0.st_uid)
            && self.group.is_none_or(|group| group == found.0.st_gid)
    }
}
