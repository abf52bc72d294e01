//! `nsenter:`: the namespaces of a process.

use super::{Complaint, Phase, Shell, Way};
use crate::options::Options;

/// Enters the process' namespaces and root, except its user namespace: entering that takes
/// privileges away, and an account that may enter the others has them.
pub(crate) fn way(pid: u32, shell: &Shell, options: &Options) -> Way {
    let target = format!("--target={pid}");
    let argv = [
        &options.tool_path("nsenter"),
        &target,
        "--mount",
        "--uts",
        "--ipc",
        "--net",
        "--pid",
        "--root",
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
        words: "failed to execute",
        phase: Phase::Shell,
        hint: "the place has no `sh`",
    },
    Complaint {
        words: "Permission denied",
        phase: Phase::Privilege,
        hint: "only root may enter: put `sudo:` before it",
    },
    Complaint {
        words: "Operation not permitted",
        phase: Phase::Privilege,
        hint: "only root may enter: put `sudo:` before it",
    },
    Complaint {
        words: "cannot open /proc/",
        phase: Phase::Connect,
        hint: "check that the process is alive",
    },
];
