//! Error for a session that could not be started: the step under way, the reason, and advice.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::last_line;

/// A step that wxec takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Phase {
    /// Reading the address that a task gave.
    Address,
    /// Preparing things on this machine.
    Local,
    /// Finding the host's address.
    Resolve,
    /// Reaching the host.
    Connect,
    /// Checking the host's key.
    HostKey,
    /// Logging in.
    Authentication,
    /// Becoming another account.
    Privilege,
    /// Being let in; a rule of the host forbids it.
    Policy,
    /// Talking to the host's shell.
    Shell,
    /// Finding an agent for the host.
    Architecture,
    /// Starting the agent.
    Exec,
    /// Greeting the agent.
    Protocol,
    /// Running the task.
    Run,
}

/// A session with a host could not be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unreachable {
    /// The hop that failed, if it is not the last one.
    pub hop: Option<Box<str>>,
    /// The step that failed.
    pub phase: Phase,
    /// The reason: often the last message of ssh or of the host's shell.
    pub reason: String,
    /// Advice on the failure.
    pub hint: Option<String>,
    /// The last lines the host wrote to stderr. Tasks do not get them.
    pub stderr_tail: String,
}

impl Unreachable {
    /// Makes the error of a step that failed.
    pub fn new(phase: Phase, reason: impl Into<String>) -> Self {
        Self {
            hop: None,
            phase,
            reason: reason.into(),
            hint: None,
            stderr_tail: String::new(),
        }
    }

    /// Returns the error with this step as the one that failed.
    #[must_use]
    pub fn during(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// Returns the error with another reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            ..self
        }
    }

    /// Returns the error with this advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Returns the error with `hop` as the one that failed, unless it names one already.
    #[must_use]
    pub fn at(mut self, hop: &str) -> Self {
        self.hop.get_or_insert_with(|| hop.into());
        self
    }

    /// Returns the error with the last lines that the host wrote to stderr.
    #[must_use]
    pub fn stderr(self, tail: String) -> Self {
        Self {
            stderr_tail: tail,
            ..self
        }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unreachable ")?;
        self.hop
            .as_ref()
            .map_or(Ok(()), |hop| write!(f, "at {hop} "))?;
        write!(
            f,
            "({}): {}",
            self.phase,
            last_line(&self.reason).unwrap_or(&self.reason)
        )?;
        match last_line(&self.stderr_tail) {
            Some(line)
                if !self.stderr_tail.contains(&self.reason) && !self.reason.contains(line) =>
            {
                write!(f, " (its last line: {line})")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Unreachable {}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "reading its address",
            Self::Local => "on this machine",
            Self::Resolve => "resolving its name",
            Self::Connect => "connecting",
            Self::HostKey => "checking its host key",
            Self::Authentication => "logging in",
            Self::Privilege => "changing the account",
            Self::Policy => "being let in",
            Self::Shell => "talking to its shell",
            Self::Architecture => "choosing an agent",
            Self::Exec => "starting the agent",
            Self::Protocol => "greeting the agent",
            Self::Run => "running the task",
        })
    }
}
