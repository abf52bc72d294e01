//! Reasons why calls fail. Every part of the crate that can fail uses these types.

mod call;
mod limits;
mod module;

pub use wxec_protocol::{CallError, CallErrorKind, Phase, Unreachable};

pub use self::module::ModuleError;
pub(crate) use self::{
    call::{agent_failed, fault_error},
    limits::{Limit, limited},
};
