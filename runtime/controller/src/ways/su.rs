//! `su:`: another account on the same machine, by that account's own password.

use super::{Complaint, Phase, Prompt, Shell, Way};
use crate::options::Options;

/// su reads a password, one line, from stdin. Its prompt cannot be chosen, but it can be made
/// English. Run by root, su does not ask. A shell of our own serves accounts whose login shell
/// refuses commands.
pub(crate) fn way(user: &str, shell: &Shell, options: &Options) -> Way {
    let argv = [
        &options.tool_path("su"),
        "-s",
        "/bin/sh",
        "-c",
        &shell.line,
        user,
    ]
    .map(Into::into);
    // su asks even if there is no password to give.
    let prompt = Prompt {
        text: "Password: ".into(),
        on_terminal: false,
    };
    Way {
        prompt: Some(prompt),
        ..Way::new(argv).complaints(COMPLAINTS)
    }
}

const COMPLAINTS: &[Complaint] = &[
    Complaint {
        words: "Authentication failure",
        phase: Phase::Privilege,
        hint: "give the account's password (`--ask-become-pass`)",
    },
    Complaint {
        words: "does not exist",
        phase: Phase::Privilege,
        hint: "check the account's name",
    },
    Complaint {
        words: "unknown user",
        phase: Phase::Privilege,
        hint: "check the account's name",
    },
    Complaint {
        words: "Permission denied",
        phase: Phase::Privilege,
        hint: "have an administrator allow `su` for this account",
    },
];
