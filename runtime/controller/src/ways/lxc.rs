//! `lxc:`: a running LXC container.

use super::{Complaint, Phase, Shell, Way};
use crate::options::Options;

pub(crate) fn way(name: &str, shell: &Shell, options: &Options) -> Way {
    let argv = [&options.tool_path("lxc-attach"), "-n", name, "--"].map(Into::into);
    Way::new(argv.into_iter().chain(shell.argv.iter().cloned())).complaints(COMPLAINTS)
}

const COMPLAINTS: &[Complaint] = &[
    Complaint {
        words: "Failed to get init pid",
        phase: Phase::Connect,
        hint: "check that the container runs (`lxc-ls -f`)",
    },
    Complaint {
        words: "Container is not defined",
        phase: Phase::Resolve,
        hint: "check the container's name (`lxc-ls -f`)",
    },
    Complaint {
        words: "Insufficent privileges",
        phase: Phase::Privilege,
        hint: "only root may: put `sudo:` before it",
    },
    Complaint {
        words: "Insufficient privileges",
        phase: Phase::Privilege,
        hint: "only root may: put `sudo:` before it",
    },
];
