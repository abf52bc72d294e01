//! `su:`: another account on the same machine, by that account's own password.

use super::{Complaint, Phase, Prompt, Shell, Way};
use crate::options::Options;

/// su reads a password from its stdin, one line; it cannot be told what to ask with, but it can be told to do so in
/// English. Run by root it does not ask. A shell of our own does for accounts whose login shell would not.
pub(crate) fn way(user: &str, shell: &Shell, options: &Options) -> Way {
    let argv = [&options.tool_path("su"), "-s", "/bin/sh", "-c", &shell.line, user].map(Into::into);
    // It asks whether or not there is an answer.
    let prompt = Prompt { text: "Password: ".into(), on_terminal: false };
    Way { prompt: Some(prompt), ..Way::new(argv).complaints(COMPLAINTS) }
}

const COMPLAINTS: &[Complaint] = &[
    Complaint {
        words: "Authentication failure",
        phase: Phase::Privilege,
        hint: "give the account's password (`--ask-become-pass`)",
    },
    Complaint { words: "does not exist", phase: Phase::Privilege, hint: "check the account's name" },
    Complaint { words: "unknown user", phase: Phase::Privilege, hint: "check the account's name" },
    Complaint {
        words: "Permission denied",
        phase: Phase::Privilege,
        hint: "have an administrator allow `su` for this account",
    },
];
