//! The language that wxec's two ends speak. This crate moves no bytes itself.
//!
//! Two state machines, [`ControllerConnection`] and [`AgentConnection`], turn received bytes into
//! events and commands into bytes to send. They open no socket, read no clock and start no task;
//! their caller does. The crate also holds the types that both ends, the macros and guests share:
//! [`Digest`], [`Limits`], [`Fault`], the guest ABI in [`abi`] and the bounded [`cbor`] codec.
//!
//! ```
//! use wxec_protocol::{AgentConnection, AgentEvent, CallRequest, ControllerConnection, Digest, Target};
//!
//! let mut controller = ControllerConnection::new();
//! let mut agent = AgentConnection::new(Target::here());
//! let arguments = b"\x81\x65a b c".as_slice();
//! controller.call(CallRequest::new(Digest::of(b"some artifact"), "words::count", arguments));
//!
//! let mut wire = Vec::new();
//! controller.poll_transmit(&mut wire);
//! agent.handle_input(&wire)?;
//! assert!(matches!(agent.poll_event(), Some(AgentEvent::Call { .. })));
//! # Ok::<(), wxec_protocol::ProtocolError>(())
//! ```

pub mod abi;
pub mod cbor;

mod agent;
mod ask;
mod bounds;
mod channel;
mod controller;
mod digest;
mod error;
mod facts;
mod fault;
mod frame;
mod grants;
mod ids;
mod items;
mod limits;
mod message;
mod outbox;
mod output;
mod output_flow;
mod stream;
mod streams;
mod target;

pub use agent::{AgentConnection, AgentEvent, MAX_CALLS};
pub use ask::{Ask, AskError, MAX_ADDRESS_BYTES, MAX_ASK_BYTES, MAX_FUNCTION_BYTES};
pub use bounds::{
    CHUNK_BYTES, MAX_ASKS, MAX_CALL_STREAMS, MAX_FRAME_BYTES, MAX_STREAMS, MAX_WIDE_STREAMS, NARROW_WINDOW_BYTES,
    STREAM_WINDOW_BYTES,
};
pub use channel::{RecvError, SendError};
pub use controller::{CallRequest, ControllerConnection, ControllerEvent, Traffic};
pub use digest::{Digest, Hasher, ParseDigestError};
pub use error::ProtocolError;
pub use facts::{Distro, Facts};
pub use fault::{Fault, Frame};
pub use frame::{read as read_frame, write as write_frame};
pub use grants::{ANY, Grants, Need, PathGrant};
pub use ids::{AskId, CallId, InstanceId, StreamId};
pub use items::{ItemError, Items, MAX_ITEM_BYTES, encode_item, encode_item_as};
pub use limits::{LimitKind, Limits};
pub use message::{Description, Entry, MAX_MODULE_BYTES, Usage};
pub use outbox::TRANSMIT_BYTES;
pub use output::{
    LogLevel, LogRecord, MAX_MESSAGE_BYTES, MAX_TARGET_BYTES, OUTPUT_WINDOW_BYTES, OutputStream, output_cost,
};
pub use stream::{Command, ProcessStreams, Service, Splice, StreamEnd, WindowSize};
pub use target::{Code, Memory, ParseTargetError, Platform, Target};

/// Names this build of wxec. Both ends must be of the same build: the controller replaces an agent
/// of another build and never talks to it.
pub const BUILD: &str = env!("WXEC_BUILD");
