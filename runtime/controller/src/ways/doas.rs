//! `doas:`: another account on the same machine.

use super::{Complaint, Phase, Prompt, Shell, Way};
use crate::options::Options;

/// doas asks for passwords on its controlling terminal and nowhere else, so it gets one, apart from
/// its stdin, stdout and stderr. Without a password it must not ask (`-n`).
pub(crate) fn way(user: Option<&str>, shell: &Shell, options: &Options) -> Way {
    let mut argv = vec![options.tool_path("doas")];
    let asks = options.become_password.is_some();
    if !asks {
        argv.push("-n".into());
    }
    if let Some(user) = user {
        argv.extend(["-u".into(), user.into()]);
    }
    argv.push("--".into());
    argv.extend(shell.argv.iter().cloned());
    let prompt = asks.then(|| Prompt {
        text: "assword: ".into(),
        on_terminal: true,
    });
    Way {
        prompt,
        ..Way::new(argv).complaints(COMPLAINTS)
    }
}

const COMPLAINTS: &[Complaint] = &[
    Complaint {
        words: "Authentication required",
        phase: Phase::Privilege,
        hint: "give the password (`--ask-become-pass`), or allow doas without one (nopass)",
    },
    Complaint {
        words: "Authorization required",
        phase: Phase::Privilege,
        hint: "give the password (`--ask-become-pass`), or allow doas without one (nopass)",
    },
    Complaint {
        words: "Operation not permitted",
        phase: Phase::Privilege,
        hint: "have an administrator allow it in doas.conf",
    },
    Complaint {
        words: "Authentication failed",
        phase: Phase::Privilege,
        hint: "check the password",
    },
    Complaint {
        words: "unknown user",
        phase: Phase::Privilege,
        hint: "check the account's name",
    },
];
