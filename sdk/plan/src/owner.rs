//! Owners of files.

use serde::{Deserialize, Serialize};

/// An owner and a group, by their numbers. The absent ones are left as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Number of the account.
    pub uid: Option<u32>,
    /// Number of the group.
    pub gid: Option<u32>,
}

impl Owner {
    /// Returns true if it names neither an account nor a group.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Returns this owner, with the parts of `other` that it lacks.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            uid: self.uid.or(other.uid),
            gid: self.gid.or(other.gid),
        }
    }

    /// Returns the parts of this owner that `asked` names.
    pub(crate) fn only(self, asked: Self) -> Self {
        Self {
            uid: self.uid.filter(|_| asked.uid.is_some()),
            gid: self.gid.filter(|_| asked.gid.is_some()),
        }
    }
}
