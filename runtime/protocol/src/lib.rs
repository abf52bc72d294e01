//! The language that wxec's two ends speak. This crate moves no bytes itself.
//!
//! Two state machines, [`ControllerConnection`] and [`AgentConnection`], turn received bytes into
//! events and commands into bytes to send. They open no socket, read no clock and start no task;
//! their caller does. The crate also holds the types that both ends, the macros and guests share:
//! [`Digest`], [`Terms`], [`CallError`], the guest ABI in [`abi`] and the bounded [`cbor`] codec.
//!
//! ```
//! use wxec_protocol::{
//!     AgentConnection, AgentEvent, CallRequest, ControllerConnection, Digest, Target,
//! };
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

// From the bottom up: a module uses only those above it in this list.
mod ids;
mod digest;
mod target;
mod facts;
mod terms;
mod guest;
mod error;
mod wire;
mod ends;

pub use digest::{Digest, Hasher, ParseDigestError};
pub use ends::agent::{AgentConnection, AgentEvent, MAX_CALLS};
pub use ends::controller::{ControllerConnection, ControllerEvent, Traffic};
pub use error::call::CallError;
pub use error::fault::{Fault, Frame};
pub use error::kind::CallErrorKind;
pub use error::unreachable::{Phase, Unreachable};
pub use facts::{Distro, Facts};
pub use guest::channel::{RecvError, SendError};
pub use guest::items::{ItemError, Items, MAX_ITEM_BYTES, encode_item, encode_item_as};
pub use guest::{abi, cbor};
pub use ids::{AskId, CallId, InstanceId, StreamId};
pub use target::{Code, Memory, ParseTargetError, Platform, Target};
pub use terms::Terms;
pub use terms::grants::{ANY, Grants, Need, PathGrant, RECORD, RECORD_FOLDER};
pub use terms::limits::{LimitKind, Limits, MAX_LINGER};
pub use terms::questions;
pub use wire::ask::{Ask, MAX_ADDRESS_BYTES, MAX_ASK_BYTES, MAX_FUNCTION_BYTES};
pub use wire::bounds::{
    CHUNK_BYTES, MAX_ASKS, MAX_CALL_STREAMS, MAX_FRAME_BYTES, MAX_STREAMS, MAX_WIDE_STREAMS,
    NARROW_WINDOW_BYTES, STREAM_WINDOW_BYTES,
};
pub use wire::call::{CallRequest, Entry};
pub use wire::error::ProtocolError;
pub use wire::frame::{read as read_frame, write as write_frame};
pub use wire::message::{Description, MAX_MODULE_BYTES, Usage};
pub use wire::outbox::TRANSMIT_BYTES;
pub use wire::output::{
    LogLevel, LogRecord, MAX_MESSAGE_BYTES, MAX_TARGET_BYTES, OUTPUT_WINDOW_BYTES, OutputStream,
    output_cost,
};
pub use wire::stream::{Command, ProcessStreams, Service, Splice, StreamEnd, WindowSize};

/// Names this build of wxec. Both ends must be of the same build: the controller replaces an agent
/// of another build and never talks to it.
pub const BUILD: &str = env!("WXEC_BUILD");

/// This crate's names where `wxec` has them, for the examples in its documentation.
#[doc(hidden)]
pub mod __docs {
    pub use crate::*;
    macro_rules! topics {
        ($($topic:ident)*) => {
            $(pub mod $topic {
                pub use crate::*;
            })*
        };
    }

    topics!(call here module output);
}
