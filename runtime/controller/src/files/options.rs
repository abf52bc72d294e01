//! Options of transfers.

use std::time::Duration;

use wxec_files::{Links, Options};

/// Enough for a link that moves to another network, or for a service that restarts.
const RECONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Options of transfers of files, in either direction.
///
/// ```
/// # use wxec_controller::__docs as wxec;
/// use wxec::transfer::{Links, TransferOptions};
///
/// let options = TransferOptions::new().mode(0o640).owner("app").group("www-data");
/// let mirror = TransferOptions::new().checksum(true).delete(true).links(Links::Keep);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferOptions {
    pub(super) options: Options,
    pub(super) resume: bool,
    pub(super) reconnect_within: Duration,
    pub(super) timeout: Option<Duration>,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            options: Options::default(),
            resume: true,
            reconnect_within: RECONNECT_WITHIN,
            timeout: None,
        }
    }
}

impl TransferOptions {
    /// Makes the default options: mode and time are the source's, the owner is the account that
    /// writes; in trees, files of equal size and time are skipped, and links stay links.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the permission bits of files, in place of the source's. Directories get `x` where
    /// `mode` has `r`. This applies to existing directories too, which otherwise keep their modes.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.options.mode = Some(mode);
        self
    }

    /// Sets the owner of everything that is written: a name or a number that the receiving machine
    /// knows. Only root may do this.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.options.owner = Some(owner.into());
        self
    }

    /// Sets the group of everything that is written.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.options.group = Some(group.into());
        self
    }

    /// Keeps the source's times of modification (the default), or with `false`, the time of
    /// writing.
    #[must_use]
    pub fn times(mut self, times: bool) -> Self {
        self.options.times = times;
        self
    }

    /// Chooses what symbolic links in the source stand for. By default, a link that is named as the
    /// source stands for its target, and a link in a tree for itself.
    #[must_use]
    pub fn links(mut self, links: Links) -> Self {
        self.options.links = links;
        self
    }

    /// Skips files with the same content, and only these: all digests of a tree travel ahead of it.
    /// Without this, a tree's files of equal size and time are skipped, and a single file never is.
    #[must_use]
    pub fn checksum(mut self, checksum: bool) -> Self {
        self.options.checksum = checksum;
        self
    }

    /// Deletes entries that are in the target's tree and not in the source's, directory by
    /// directory, after all files of the directory have arrived. Also deletes entries of another
    /// kind that are in the way of the source's.
    #[must_use]
    pub fn delete(mut self, delete: bool) -> Self {
        self.options.delete = delete;
        self
    }

    /// Changes nothing, and [reports](crate::transfer::Event::Change) what it would change.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.options.dry_run = dry_run;
        self.options.report |= dry_run;
        self
    }

    /// Makes missing directories above the target.
    #[must_use]
    pub fn parents(mut self, parents: bool) -> Self {
        self.options.parents = parents;
        self
    }

    /// [Reports](crate::transfer::Event::Change) every change.
    #[must_use]
    pub fn report(mut self, report: bool) -> Self {
        self.options.report = report;
        self
    }

    /// Lets a transfer go on by itself if its link was cut. This is the default.
    #[must_use]
    pub fn resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }

    /// Sets the time (by default 30 s) that a host whose link was cut may stay away, or come back
    /// for moments only, before the transfer is lost. The receiving end then keeps the part of a
    /// large file that has arrived, for another transfer to go on with.
    #[must_use]
    pub fn reconnect_within(mut self, within: Duration) -> Self {
        self.reconnect_within = within;
        self
    }

    /// Gives up a transfer that takes longer than this in total. Without this, there is no limit.
    #[must_use]
    pub fn timeout(mut self, after: Duration) -> Self {
        self.timeout = Some(after);
        self
    }
}
