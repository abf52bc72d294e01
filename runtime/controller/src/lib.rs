//! wxec's controlling end: everything that happens on the machine a call is made from.
//!
//! A [`Host`] is a place to run calls. The first use of a host starts an agent there, over the pipe
//! that its [`Address`] describes; from then on a background task drives the session, or a thread
//! that waits for a call. A [`Module`] is the code that travels; a `Call` pairs the two. The `wxec`
//! crate adds typed stubs; this crate knows nothing of macros, terminals or wasmtime.
//!
//! ```no_run
//! # use wxec_controller::__docs as wxec;
//! use wxec::{Host, Module};
//!
//! let host = Host::new("ssh:web1")?;
//! let module = Module::from_file("words.wasm")?;
//! let n: usize = host.bind(&module).call("count", &("to be or not to be",)).wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// Storeys, from the bottom up: a module uses only those above it in this list.

/// The runtime, operations, blocking waits, locks, times and texts.
mod base;
/// Addresses of hosts: chains of hops.
mod address;
/// Reasons why calls fail.
mod error;
/// Options for reaching hosts.
mod options;
/// Modules, and their artifacts.
mod module;
/// A session with an agent: the driver that owns its pipe, streams, and output.
mod session;
/// The ways in: one file each.
mod ways;
/// Starting an agent over a pipe to a shell, or in a container without one.
mod bootstrap;
/// From an address to a session.
mod connect;
/// Hosts.
mod host;
/// Channels between this program and tasks.
mod channel;
/// Calls of tasks.
mod call;
/// Commands and programs on hosts.
mod process;
/// Files to hosts and from them.
mod files;

pub use address::{Address, AddressError, ContainerEngine, Hop, MAX_HOPS, SshAddress};
#[doc(hidden)]
pub use base::runtime::settle;
pub use base::{json::to_json, operation::Operation, progress::set_progress};
pub use call::{
    Arguments, Bound, Call, CallFuture, CallOptions, CallTarget, Instance, Planned, Task, TaskCall,
};
pub use channel::{
    ChannelEnd, ChannelEnds, IntoIter, Iter, Receiver, RecvError, ReturnedStream, SendError,
    Sender, Tagged, TaggedIter, channel,
};
pub use ciborium::Value;
#[doc(hidden)]
pub use connect::LinkState;
pub use connect::{Step, explain};
pub use error::{CallError, CallErrorKind, ModuleError, Phase, Unreachable};
/// Files and trees, to hosts and from them.
pub mod transfer {
    pub use crate::files::{
        Change, Event, Failure, FailureKind, Incomplete, LeftOut, Links, Step, Transfer,
        TransferError, TransferErrorKind, TransferOptions, Transferred,
    };
}

pub use host::{Host, Report, Stats};
pub use module::Module;
#[doc(hidden)]
pub use options::secret_variables;
pub use options::{ConnectOptions, Password};
pub use process::{
    Attach, Child, ChildRemote, ChildStdin, ChildStdout, Command, CommandFailed, CommandOutput,
    ExitStatus, Program, ProgramOutput,
};
pub use session::output::{GuestOutput, MAX_LINE_BYTES, OutputHandler};
pub use ways::CONFIG_VARIABLE as SSH_CONFIG_VARIABLE;
pub use wxec_protocol::{Description, Grants, Limits, WindowSize};

/// This crate's names where `wxec` has them, for the examples in its documentation.
#[doc(hidden)]
#[allow(
    ambiguous_glob_reexports,
    reason = "examples name no item that both have"
)]
pub mod __docs {
    pub use crate::*;
    macro_rules! topics {
        ($($topic:ident)*) => {
            $(pub mod $topic {
                pub use crate::*;
                pub use crate::transfer::*;
                pub use wxec_build::Features;
            })*
        };
    }

    topics!(address call channel command host module output transfer);
}
