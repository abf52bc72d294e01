//! Limits of calls: options shared by all commands that run guests.

use std::time::Duration;

use wxec::{Limits, fleet::FLEET_TIMEOUT};

use crate::base::quantity;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// End the guest when it has run for this long [default: none; on several hosts 60s]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration, display_order = 20)]
    timeout: Option<Duration>,
    /// Limit the guest's memory [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size, display_order = 21)]
    memory: Option<u64>,
    /// Limit the instructions that the guest executes, roughly; counting slows it down [default:
    /// not counted]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), display_order = 22)]
    fuel: Option<u64>,
    /// Limit the files, directories, sockets and pipes that the guest has open at once [default:
    /// 256]
    #[arg(long, value_name = "N", display_order = 23)]
    open_files: Option<u32>,
    /// Limit the processes that the guest has running at once [default: 16]
    #[arg(long, value_name = "N", display_order = 24)]
    children: Option<u32>,
}

impl LimitArgs {
    /// Returns the limits on each host; `several` says whether there is more than one.
    pub(crate) fn limits(&self, several: bool) -> Limits {
        let default = Limits::default();
        let deadline = self.timeout.or_else(|| several.then_some(FLEET_TIMEOUT));
        Limits {
            memory_bytes: self.memory.unwrap_or(default.memory_bytes),
            deadline_ms: deadline
                .map(|deadline| u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX)),
            fuel: self.fuel,
            open_files: self.open_files.unwrap_or(default.open_files),
            children: self.children.unwrap_or(default.children),
            ..default
        }
    }
}
