//! `machinectl:`: a machine of systemd-machined.

use super::{Complaint, Phase, Shell, Way};
use crate::options::Options;

/// `machinectl shell` gives a terminal, which changes bytes on their way. `systemd-run` reaches the
/// same machines and gives pipes.
pub(crate) fn way(name: &str, shell: &Shell, options: &Options) -> Way {
    let machine = format!("--machine={name}");
    let argv = [
        &options.tool_path("systemd-run"),
        &machine,
        "--pipe",
        "--wait",
        "--quiet",
        "--collect",
        "--",
    ];
    Way::new(
        argv.map(Into::into)
            .into_iter()
            .chain(shell.argv.iter().cloned()),
    )
    .complaints(COMPLAINTS)
}

const COMPLAINTS: &[Complaint] = &[
    Complaint {
        words: "No machine",
        phase: Phase::Resolve,
        hint: "check the machine's name (`machinectl list`)",
    },
    Complaint {
        words: "Failed to connect to bus",
        phase: Phase::Connect,
        hint: "systemd has to run here and in the machine; `nsenter:` needs only a process there",
    },
    Complaint {
        words: "System has not been booted with systemd",
        phase: Phase::Connect,
        hint: "systemd has to run here and in the machine; `nsenter:` needs only a process there",
    },
    Complaint {
        words: "Access denied",
        phase: Phase::Privilege,
        hint: "only root may: put `sudo:` before it",
    },
    Complaint {
        words: "Interactive authentication required",
        phase: Phase::Privilege,
        hint: "only root may: put `sudo:` before it",
    },
];
