//! The ways in. Each gives one ordered byte pipe in each direction, and the last lines of the other
//! end's stderr.
//!
//! Except for `local:`, a way in is a program to run where the hop before ends, here or on another
//! machine. A [`Way`] holds the command line, the password prompt, and the
//! meanings of the program's complaints.

pub(crate) mod container;
mod doas;
mod exec;
mod kubectl;
pub(crate) mod local;
mod lxc;
mod machinectl;
mod nsenter;
mod runner;
pub(crate) mod ssh;
mod su;
mod sudo;

pub(crate) use self::runner::{Runner, not_run};
pub use self::ssh::CONFIG_VARIABLE;

use wxec_protocol::Command;

use crate::{
    address::Hop,
    base::text::bytes,
    error::{Phase, Unreachable},
    options::Options,
};

/// A program to run to get from one place to another.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// Program and arguments, and variables to set for them.
    pub(crate) command: Command,
    /// Its password prompt, if it may ask.
    pub(crate) prompt: Option<Prompt>,
    /// Complaints that are understood.
    pub(crate) complaints: &'static [Complaint],
}

/// Password prompt of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// The text it prints.
    pub(crate) text: String,
    /// True if it prompts on a terminal of its own, false for stderr.
    pub(crate) on_terminal: bool,
}

/// A complaint of a program, with its meaning and advice.
#[derive(Debug)]
pub(crate) struct Complaint {
    /// Words that occur in it.
    pub(crate) words: &'static str,
    pub(crate) phase: Phase,
    pub(crate) hint: &'static str,
}

/// The command that starts the bootstrap, a shell with our script: as a list of words, and as a
/// line for a shell.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    pub(crate) argv: Vec<String>,
    pub(crate) line: String,
}

/// Returns the way in for `hop`; `None` for `local:`, which takes more than a program to run.
pub(crate) fn way(hop: &Hop, shell: &Shell, options: &Options, token: &str) -> Option<Way> {
    Some(match hop {
        Hop::Local => return None,
        Hop::Ssh(address) => ssh::way(address, shell, options),
        Hop::Sudo(user) => sudo::way(user.as_deref(), shell, options, token),
        Hop::Su(user) => su::way(user, shell, options),
        Hop::Doas(user) => doas::way(user.as_deref(), shell, options),
        Hop::Container(engine, name) => container::way(*engine, name, shell, options),
        Hop::ContainerRun(engine, image) => container::way_to_fresh(*engine, image, shell, options),
        Hop::Kubectl {
            context,
            namespace,
            pod,
            container,
        } => kubectl::way(
            context.as_deref(),
            namespace,
            pod,
            container.as_deref(),
            shell,
            options,
        ),
        Hop::Nsenter(pid) => nsenter::way(*pid, shell, options),
        Hop::Lxc(name) => lxc::way(name, shell, options),
        Hop::Machinectl(name) => machinectl::way(name, shell, options),
        Hop::Exec(argv) => exec::way(argv, shell),
    })
}

impl Way {
    /// Creates a way in from a command line. Messages are in English, because their meaning is
    /// looked up by their text.
    pub(crate) fn new(argv: impl IntoIterator<Item = String>) -> Self {
        let mut command = Command::new(argv);
        command.env.push((bytes("LC_ALL"), bytes("C")));
        Self {
            command,
            ..Self::default()
        }
    }

    pub(crate) fn complaints(self, complaints: &'static [Complaint]) -> Self {
        Self { complaints, ..self }
    }
}

/// Interprets a failure by what the program said: a line that contains a known complaint becomes
/// the reason.
pub(crate) fn classify(failure: Unreachable, complaints: &[&'static [Complaint]]) -> Unreachable {
    // Beyond the shell the way in is not at fault, whatever its program printed.
    if matches!(
        failure.phase,
        Phase::Exec | Phase::Protocol | Phase::Architecture
    ) {
        return failure;
    }
    for Complaint { words, phase, hint } in complaints.iter().copied().flatten() {
        let said = failure
            .stderr_tail
            .lines()
            .rev()
            .chain(failure.reason.lines())
            .find(|line| line.contains(words));
        if let Some(line) = said.map(|line| line.trim().to_owned()) {
            return failure.during(*phase).because(line).hint(*hint);
        }
    }
    failure
}

/// Hint for an account whose shell refuses logins, with a message (nologin) or without one
/// (/bin/false).
pub(crate) const NO_LOGIN_HINT: &str = "the account has no shell to log in with (/sbin/nologin, /bin/false): choose another \
                                        account, or give it a shell there (`usermod --shell`)";

/// Complaints of any shell, on any way.
pub(crate) const SHELL_COMPLAINTS: &[Complaint] = &[
    Complaint {
        words: "account is currently not available",
        phase: Phase::Policy,
        hint: NO_LOGIN_HINT,
    },
    Complaint {
        words: "This service allows sftp connections only",
        phase: Phase::Policy,
        hint: "the account may only transfer files; choose another account",
    },
    Complaint {
        words: ": restricted",
        phase: Phase::Policy,
        hint: "the account's login shell is a restricted one; choose another account",
    },
];

#[cfg(test)]
mod tests;
