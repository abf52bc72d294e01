//! Limits on one call's resources, and the error that names the limit that was hit.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Resources that one call may use. Every field has a default that protects the host; units are in
/// the names.
///
/// ```
/// # use wxec_protocol::__docs as wxec;
/// use wxec::Limits;
///
/// let limits = Limits { memory_bytes: 64 << 20, ..Limits::default() };
/// assert_eq!(limits.output_bytes, 128 << 20);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory of the guest. 256 MiB by default.
    pub memory_bytes: u64,
    /// Encoded size of the arguments. 128 MiB by default.
    pub input_bytes: u64,
    /// Encoded size of the result. 128 MiB by default.
    pub output_bytes: u64,
    /// Bytes kept of stdout, and as many of stderr; the rest is counted and dropped. 1 MiB by
    /// default.
    pub stdio_bytes: u64,
    /// Wall time from the moment the agent starts the call. No limit by default.
    pub deadline_ms: Option<u64>,
    /// Approximate number of instructions; exhaustion is noticed at the next loop or function. Not
    /// counted by default, because counting makes the guest slower.
    pub fuel: Option<u64>,
    /// Files, directories, sockets and pipes open at once. 256 by default.
    pub open_files: u32,
    /// Processes running at once. 16 by default.
    pub children: u32,
    /// Wall time for which the call may go on when it is cancelled, or its controller is gone: the
    /// task can ask whether it is cancelled, and end when it has finished what it must not leave half
    /// done. Without it, such a call ends at once. At most [`MAX_LINGER`], and a minute until the agent
    /// notices. Calls of instances have no such time, nor more than 64 of a session. None by default.
    pub linger_ms: Option<u64>,
}

/// Longest time that a call goes on without its controller.
pub const MAX_LINGER: Duration = Duration::from_mins(15);

impl Limits {
    /// Returns the time for which the call may go on when it is cancelled, if it may.
    pub fn linger(&self) -> Option<Duration> {
        let linger = self.linger_ms.map(Duration::from_millis)?;
        Some(linger.min(MAX_LINGER))
    }

    /// Returns the deadline as a duration.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline_ms.map(Duration::from_millis)
    }
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            memory_bytes: 256 * MIB,
            input_bytes: 128 * MIB,
            output_bytes: 128 * MIB,
            stdio_bytes: MIB,
            deadline_ms: None,
            fuel: None,
            open_files: 256,
            children: 16,
            linger_ms: None,
        }
    }
}

/// A limit that a call can hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LimitKind {
    /// [`Limits::memory_bytes`].
    Memory,
    /// [`Limits::input_bytes`].
    Input,
    /// [`Limits::output_bytes`].
    Output,
    /// Elements of a guest's tables.
    Table,
    /// The guest's call stack, in bytes.
    Stack,
    /// Calls at once in one session.
    ConcurrentCalls,
    /// Bytes of a compiled module.
    Module,
    /// [`Limits::fuel`].
    Fuel,
    /// [`Limits::open_files`].
    OpenFiles,
    /// [`Limits::children`].
    Children,
    /// Streams open in one session.
    Streams,
    /// Memory of all calls of a session together: the amount that their host can spare.
    TotalMemory,
    /// Resident instances of one session.
    Instances,
}

impl LimitKind {
    /// Returns the unit that the limit counts in.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Memory
            | Self::Input
            | Self::Output
            | Self::Stack
            | Self::Module
            | Self::TotalMemory => "bytes",
            Self::Table => "elements",
            Self::ConcurrentCalls => "calls",
            Self::Fuel => "units",
            Self::OpenFiles => "files",
            Self::Children => "processes",
            Self::Streams => "streams",
            Self::Instances => "instances",
        }
    }

    /// Returns the field of [`Limits`] that sets the limit, if callers can set it.
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::Memory => Some("memory_bytes"),
            Self::Input => Some("input_bytes"),
            Self::Output => Some("output_bytes"),
            Self::Fuel => Some("fuel"),
            Self::OpenFiles => Some("open_files"),
            Self::Children => Some("children"),
            _ => None,
        }
    }

    /// Returns the option of `wxec` that sets the limit, if it has one.
    pub fn option(self) -> Option<&'static str> {
        match self {
            Self::Memory => Some("--memory"),
            Self::Output => Some("--output"),
            Self::Fuel => Some("--fuel"),
            Self::OpenFiles => Some("--open-files"),
            Self::Children => Some("--children"),
            _ => None,
        }
    }

    /// Describes for people that a limit was hit, with the amount asked for if that was measured.
    /// Stack and fuel have no such amount: the guest simply runs out of them.
    pub fn describe_hit(self, limit: u64, asked: u64) -> String {
        let unit = self.unit();
        match self {
            Self::Stack | Self::Fuel => format!("{self} limit of {limit} {unit} hit"),
            _ => format!("{self} limit of {limit} {unit} hit: {asked} {unit} were asked for"),
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Input => "input",
            Self::Output => "output",
            Self::Table => "table",
            Self::Stack => "stack",
            Self::ConcurrentCalls => "concurrent calls",
            Self::Module => "module size",
            Self::Fuel => "fuel",
            Self::OpenFiles => "open files",
            Self::Children => "children",
            Self::Streams => "streams",
            Self::TotalMemory => "memory of all calls",
            Self::Instances => "resident instances",
        })
    }
}
