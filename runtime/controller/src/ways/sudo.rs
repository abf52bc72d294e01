//! `sudo:`: another account on the same machine.

use super::{Complaint, Phase, Prompt, Shell, Way};
use crate::options::Options;

/// sudo reads a password from stdin (`-S`), one line and not a byte more; the rest is for the
/// program it starts. It prompts on stderr with our random text, so that no message of sudo, in
/// whatever language, can be mistaken for the prompt. Without a password it must not ask (`-n`).
pub(crate) fn way(user: Option<&str>, shell: &Shell, options: &Options, token: &str) -> Way {
    let prompt = format!("[wxec {token}]");
    let mut argv = vec![options.tool_path("sudo")];
    let asks = options.become_password.is_some();
    if asks {
        argv.extend(["-S".into(), "-p".into(), prompt.clone()]);
    } else {
        argv.push("-n".into());
    }
    if let Some(user) = user {
        argv.extend(["-u".into(), user.into()]);
    }
    argv.extend(["-H".into(), "--".into()]);
    argv.extend(shell.argv.iter().cloned());
    Way {
        prompt: asks.then_some(Prompt {
            text: prompt,
            on_terminal: false,
        }),
        ..Way::new(argv).complaints(COMPLAINTS)
    }
}

const COMPLAINTS: &[Complaint] = &[
    Complaint {
        words: "a password is required",
        phase: Phase::Privilege,
        hint: "give the password (`--ask-become-pass`), or allow sudo without one (NOPASSWD)",
    },
    // The wording of sudo-rs.
    Complaint {
        words: "interactive authentication is required",
        phase: Phase::Privilege,
        hint: "give the password (`--ask-become-pass`), or allow sudo without one (NOPASSWD)",
    },
    Complaint {
        words: "incorrect password",
        phase: Phase::Privilege,
        hint: "give the right password",
    },
    Complaint {
        words: "not in the sudoers file",
        phase: Phase::Privilege,
        hint: "have an administrator allow it in sudoers",
    },
    Complaint {
        words: "is not allowed to",
        phase: Phase::Privilege,
        hint: "have an administrator allow `sh` for this account in sudoers",
    },
    Complaint {
        words: "may not run sudo",
        phase: Phase::Privilege,
        hint: "have an administrator allow it in sudoers",
    },
    Complaint {
        words: "you must have a tty",
        phase: Phase::Privilege,
        hint: "have an administrator take `requiretty` out of sudoers",
    },
    Complaint {
        words: "unknown user",
        phase: Phase::Privilege,
        hint: "check the account's name",
    },
    Complaint {
        words: "no new privileges",
        phase: Phase::Policy,
        hint: "this place was started so that sudo cannot work",
    },
];
