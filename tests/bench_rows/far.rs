//! A machine at the end of a slow link: 20 Mbit/s, and 50 ms there and back.

use std::{process::Command, time::Duration};

use crate::harness::{Network, needs, skip};

/// Its name in the configuration of [`network`].
pub(crate) const FAR_HOST: &str = "bastion";

const ONE_WAY: Duration = Duration::from_millis(25);

/// The queue holds 50 ms, as much as is under way on a full link.
const SHAPE: &[&str] = &[
    "qdisc", "add", "dev", "link1", "root", "tbf", "rate", "20mbit", "burst", "16k", "latency",
    "50ms",
];

/// Starts the machine. Returns `None`, after saying why, if this one cannot make such networks.
pub(crate) fn network() -> Option<Network> {
    if !needs(&["tc"]) {
        return None;
    }
    let network = Network::start([ONE_WAY, Duration::ZERO])?;
    for namespace in network.first_link() {
        let mut shape = Command::new("nsenter");
        shape
            .arg(format!("--net={namespace}"))
            .arg("tc")
            .args(SHAPE);
        if !shape.status().is_ok_and(|status| status.success()) {
            skip("this kernel cannot limit the rate of a link");
            return None;
        }
    }
    Some(network)
}
