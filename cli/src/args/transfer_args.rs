//! Options shared by `put` and `get`.

use std::time::Duration;

use wxec::transfer::{Links, TransferOptions};

use crate::{
    args::rollout_args::RolloutArgs,
    base::{quantity, verbosity::Verbosity},
    output::results::Format,
};

#[derive(Debug, clap::Args)]
pub(crate) struct TransferArgs {
    /// Set the permission bits of files, such as 640; directories get `x` where these have `r`
    /// [default: the source's; existing directories keep theirs]
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<u32>,
    /// Set the owner of everything, a name or a number; needs root, as in `web1/sudo:`
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Set the group of everything
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Leave modification times at now, instead of copying the source's
    #[arg(long)]
    no_times: bool,
    /// Skip only files with the same SHA-256 [default: in trees, files with the same size and time]
    #[arg(short, long)]
    checksum: bool,
    /// Delete everything in the target's tree that is not in the source's
    #[arg(long)]
    delete: bool,
    /// Change nothing, only print what would be changed
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Create missing directories above the target
    #[arg(short, long)]
    parents: bool,
    /// Follow symbolic links, and transfer what they point to [default: only if SRC itself is one]
    #[arg(short = 'L', long, conflicts_with = "keep_links")]
    follow: bool,
    /// Transfer SRC itself as a symbolic link if it is one
    #[arg(long)]
    keep_links: bool,
    /// Do not reconnect and resume when the link is cut
    #[arg(long)]
    no_resume: bool,
    /// Give up when the transfer takes longer than this [default: never]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    timeout: Option<Duration>,
    /// Print a record of the transfer on stdout, in this format
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    #[command(flatten)]
    pub(crate) rollout: RolloutArgs,
}

impl TransferArgs {
    pub(crate) fn options(&self, verbosity: Verbosity) -> TransferOptions {
        let links = match (self.follow, self.keep_links) {
            (true, _) => Links::Follow,
            (_, true) => Links::Keep,
            _ => Links::FollowFirst,
        };
        let mut options = TransferOptions::new()
            .times(!self.no_times)
            .links(links)
            .checksum(self.checksum)
            .delete(self.delete)
            .report(verbosity >= Verbosity::Verbose)
            .dry_run(self.dry_run)
            .parents(self.parents)
            .resume(!self.no_resume);
        if let Some(mode) = self.mode {
            options = options.mode(mode);
        }
        if let Some(owner) = &self.owner {
            options = options.owner(owner);
        }
        if let Some(group) = &self.group {
            options = options.group(group);
        }
        match self.timeout {
            Some(after) => options.timeout(after),
            None => options,
        }
    }
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777 && !text.starts_with('+'));
    mode.ok_or_else(|| "write an octal number such as 640 or 0755".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        assert_eq!(
            (mode("640"), mode("0755"), mode("4755")),
            (Ok(0o640), Ok(0o755), Ok(0o4755))
        );
        for text in ["", "8", "77777", "u+x", "-1", "+5"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }
}
