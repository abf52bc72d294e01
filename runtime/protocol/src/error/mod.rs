//! Reasons why calls fail. The agent sends a [`Fault`](fault::Fault); the controller makes a
//! [`CallError`](call::CallError) of it for its program, or for the guest that made the call.

pub(crate) mod call;
pub(crate) mod fault;
pub(crate) mod kind;
mod text;
pub(crate) mod unreachable;
