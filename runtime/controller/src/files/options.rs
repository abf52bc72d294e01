//! How files are transferred.

use std::time::Duration;

use wxec_files::{Links, Options};

/// Enough for a link that hangs over to another network, or for a service that is started again.
const RECONNECT_WITHIN: Duration = Duration::from_secs(30);

/// How files are transferred, in either direction.
///
/// ```
/// use wxec_controller::{Links, TransferOptions};
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
        Self { options: Options::default(), resume: true, reconnect_within: RECONNECT_WITHIN, timeout: None }
    }
}

impl TransferOptions {
    /// The usual manner: mode and time are the source's, the owner is who writes; in trees, files of equal size and time
    /// are skipped, and links stay links.
    pub fn new() -> Self {
        Self::default()
    }

    /// Permission bits of files, in place of the source's. Directories get `x` where this has `r`, also those that are there,
    /// which keep their modes otherwise.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.options.mode = Some(mode);
        self
    }

    /// The owner of everything that is written: a name or a number that the receiving machine knows. Only root may do this.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.options.owner = Some(owner.into());
        self
    }

    /// The group of everything that is written.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.options.group = Some(group.into());
        self
    }

    /// Whether times of modification are the source's, which is usual, or when it was written.
    #[must_use]
    pub fn times(mut self, times: bool) -> Self {
        self.options.times = times;
        self
    }

    /// What symbolic links in the source stand for. Usually the one that is named stands for what it leads to, those in trees
    /// for themselves.
    #[must_use]
    pub fn links(mut self, links: Links) -> Self {
        self.options.links = links;
        self
    }

    /// Skips what has the same content, and only that: all digests of a tree travel ahead of it. Otherwise a tree's files
    /// of equal size and time are skipped, and a single file never is.
    #[must_use]
    pub fn checksum(mut self, checksum: bool) -> Self {
        self.options.checksum = checksum;
        self
    }

    /// Deletes what is in the target's tree and not in the source's, directory by directory, after all files of that have
    /// arrived. Also what is of another kind than the source's and in its way.
    #[must_use]
    pub fn delete(mut self, delete: bool) -> Self {
        self.options.delete = delete;
        self
    }

    /// Changes nothing, and [tells](crate::TransferEvent::Change) what it would change.
    #[must_use]
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.options.dry_run = dry_run;
        self.options.report |= dry_run;
        self
    }

    /// Makes the directories above the target where they are missing.
    #[must_use]
    pub fn parents(mut self, parents: bool) -> Self {
        self.options.parents = parents;
        self
    }

    /// [Tells](crate::TransferEvent::Change) of every change.
    #[must_use]
    pub fn report(mut self, report: bool) -> Self {
        self.options.report = report;
        self
    }

    /// Whether a transfer whose link is cut goes on by itself. It does, usually.
    #[must_use]
    pub fn resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }

    /// How long a host whose link was cut may stay away, or be there for no more than a moment, before the transfer is lost:
    /// 30 s, usually. What has arrived of a large file is left at its end then, for another transfer to go on with.
    #[must_use]
    pub fn reconnect_within(mut self, within: Duration) -> Self {
        self.reconnect_within = within;
        self
    }

    /// Gives the transfer up if it takes longer, with everything. There is no limit otherwise.
    #[must_use]
    pub fn timeout(mut self, after: Duration) -> Self {
        self.timeout = Some(after);
        self
    }
}
