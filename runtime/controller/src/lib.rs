//! wxec's controlling end: everything that happens on the machine a call is made from.
//!
//! A [`Host`] is a place to run calls. The first use of a host starts an agent there, over the pipe
//! that its [`Address`] describes; from then on one background task owns the session. A [`Module`]
//! is the code that travels; a `Call` pairs the two. The `wxec` crate adds typed stubs; this crate
//! knows nothing of macros, terminals or wasmtime.
//!
//! ```no_run
//! use wxec_controller::{Host, Module};
//!
//! let host = Host::new("ssh:web1")?;
//! let module = Module::from_file("words.wasm")?;
//! let n: usize = host.bind(&module).call("count", &("to be or not to be",)).wait()?;
//! # Ok::<(), wxec_controller::Error>(())
//! ```

mod address;
mod artifact;
mod artifact_cache;
mod asks;
mod attach;
mod bootstrap;
mod call;
mod channel;
mod command;
mod compile;
mod connect;
mod error;
mod explain;
mod facts;
mod files;
mod fleet;
mod hops;
mod host;
mod instance;
mod module;
mod options;
mod output;
mod program;
mod progress;
mod runtime;
mod session;
mod stream;
mod streaming;
mod title;
mod transport;
mod unreachable;

pub use address::{Address, AddressError, Engine, Hop, MAX_HOPS, SshAddress};
pub use attach::Attach;
pub use call::{Arguments, Bound, Call, CallFuture, CallTarget, Task, TaskCall};
pub use channel::{
    ChannelEnd, IntoIter, Iter, Ports, Receiver, RecvError, ReturnedStream, SendError, Sender,
    Tagged, TaggedIter, channel,
};
pub use ciborium::Value;
pub use command::{
    Child, ChildRemote, ChildStdin, ChildStdout, Command, CommandFailed, CommandOutput, ExitStatus,
};
pub use error::{CallError, CallErrorKind, Error, Phase, Result, Unreachable};
pub use explain::{Step, explain};
pub use files::{
    FileChange, FileError, FileErrorKind, FileStep, FleetTransfer, IncompleteTransfer, LeftOut,
    Links, Transfer, TransferError, TransferErrorKind, TransferEvent, TransferOptions,
    TransferOutcome, Transferred, name_for_host,
};
pub use fleet::{Fleet, FleetCall, FleetError, Outcome, Outcomes};
pub use host::{Host, Operation, Report, Stats};
pub use instance::Instance;
pub use module::{Module, ModuleError};
pub use options::{ConnectOptions, Password};
pub use output::{GuestOutput, MAX_LINE_BYTES, OutputHandler};
pub use program::{Program, ProgramOutput};
pub use progress::set_progress;
pub use transport::ssh::CONFIG_VARIABLE as SSH_CONFIG_VARIABLE;
pub use wxec_protocol::{Description, Grants, WindowSize};
