//! The wire: frames, messages, their bounds, and the errors of a peer that breaks the rules.

pub(crate) mod ask;
pub(crate) mod bounds;
pub(crate) mod call;
pub(crate) mod error;
pub(crate) mod frame;
pub(crate) mod message;
pub(crate) mod outbox;
pub(crate) mod output;
pub(crate) mod stream;
