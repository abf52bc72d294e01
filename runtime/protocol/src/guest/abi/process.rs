//! Questions and answers about processes.

use serde::{Deserialize, Serialize};

/// The question of `process_start`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStart {
    /// The program, by name or by path, spelled as in the grant.
    pub program: String,
    /// Its arguments, without its own name.
    #[serde(default)]
    pub args: Vec<String>,
    /// Changes to its environment, in order: a variable with its value, or with `None` to remove
    /// it.
    #[serde(default)]
    pub env: Vec<(String, Option<String>)>,
    /// Begins with an empty environment instead of the one that the host gives to all processes.
    #[serde(default)]
    pub clear_env: bool,
    /// Its working directory, as the guest sees it.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Its stdin. The call's own stdin is empty.
    #[serde(default)]
    pub stdin: StdioKind,
    /// Its stdout.
    #[serde(default)]
    pub stdout: StdioKind,
    /// Its stderr.
    #[serde(default)]
    pub stderr: StdioKind,
}

/// Kind of a process' standard stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StdioKind {
    /// Null: reads end at once, writes are dropped.
    #[default]
    Null,
    /// A pipe; the guest holds the other end.
    Piped,
    /// The call's own stream.
    Inherit,
}

/// The reply of `process_start`, which returns the handle of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStarted {
    /// Its process id on the host.
    pub id: u32,
    /// Handle of its stdin stream, if that is piped.
    pub stdin: Option<i32>,
    /// Handle of its stdout stream, if that is piped.
    pub stdout: Option<i32>,
    /// Handle of its stderr stream, if that is piped.
    pub stderr: Option<i32>,
}

/// The end of a process: the reply of `process_wait`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEnd {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if any.
    pub signal: Option<i32>,
}
