//! Limits of calls: options shared by all commands that run guests.

use std::time::Duration;

use wxec::{Host, Limits, fleet::FLEET_TIMEOUT};
use wxec_plan::PLAN_TIMEOUT;

use crate::base::quantity;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// End the guest when it has run for this long [default: none; on several hosts 60s; a plan 1h]
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
    /// Returns the limits on `host`: those typed, else those that the inventory has for it, else
    /// the usual ones, which depend on whether there are `several` hosts.
    pub(crate) fn limits(&self, host: &Host, several: bool) -> Limits {
        self.over(of_host(host, several))
    }

    /// Returns the limits of a plan on `host`.
    pub(crate) fn of_plan(&self, host: &Host) -> Limits {
        self.over(with_deadline(host, Some(PLAN_TIMEOUT)))
    }

    fn over(&self, own: Limits) -> Limits {
        Limits {
            memory_bytes: self.memory.unwrap_or(own.memory_bytes),
            deadline_ms: self.timeout.map(milliseconds).or(own.deadline_ms),
            fuel: self.fuel.or(own.fuel),
            open_files: self.open_files.unwrap_or(own.open_files),
            children: self.children.unwrap_or(own.children),
            ..own
        }
    }
}

/// Returns the limits that the inventory has for `host`, else the usual ones: one stuck host must
/// not hold up `several`.
pub(crate) fn of_host(host: &Host, several: bool) -> Limits {
    with_deadline(host, several.then_some(FLEET_TIMEOUT))
}

/// Returns the limits that the inventory has for `host`, with the usual deadline if it has none.
fn with_deadline(host: &Host, usual: Option<Duration>) -> Limits {
    let own = host.limits().cloned().unwrap_or_default();
    Limits {
        deadline_ms: own.deadline_ms.or_else(|| usual.map(milliseconds)),
        ..own
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
