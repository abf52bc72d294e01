//! Reasons why calls fail. Every part of the crate that can fail uses these types.

mod call;
mod limits;
mod module;
mod unreachable;

pub(crate) use self::limits::{Limit, limited};
pub use self::{
    call::{CallError, CallErrorKind},
    module::ModuleError,
    unreachable::{Phase, Unreachable},
};
