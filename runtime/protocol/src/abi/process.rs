//! Questions and answers about processes.

use serde::{Deserialize, Serialize};

/// What `process_start` is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStart {
    /// The program, by name or by path: as it was granted.
    pub program: String,
    /// Its arguments, without its own name.
    #[serde(default)]
    pub args: Vec<String>,
    /// Changes to its environment, in order: a variable and its value, or nothing if it is to be left away.
    #[serde(default)]
    pub env: Vec<(String, Option<String>)>,
    /// Begins with an empty environment, rather than with what the host gives to all.
    #[serde(default)]
    pub clear_env: bool,
    /// Its directory, as the guest sees it.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Its input. The call's own is empty.
    #[serde(default)]
    pub stdin: StdioKind,
    /// Its output.
    #[serde(default)]
    pub stdout: StdioKind,
    /// Its output for people.
    #[serde(default)]
    pub stderr: StdioKind,
}

/// What a standard stream of a process is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StdioKind {
    /// Nothing.
    #[default]
    Null,
    /// A pipe, of which the guest has the other end.
    Piped,
    /// The call's own.
    Inherit,
}

/// What `process_start` answers, beside the handle of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStarted {
    /// Its number on the host.
    pub id: u32,
    /// Handle of the stream that is its input, if that is piped.
    pub stdin: Option<i32>,
    /// Handle of the stream that is its output, if that is piped.
    pub stdout: Option<i32>,
    /// Handle of the stream that is its output for people, if that is piped.
    pub stderr: Option<i32>,
}

/// How a process ended: what `process_wait` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEnd {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
}
