//! Any error of a call that a task makes on another host, with the names of the controlling side.

use std::fmt;

use wxec_protocol::{CallError, CallErrorKind, LimitKind, MAX_ASK_BYTES, abi::HostError};

/// Return type of a task that calls others.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Anything that can go wrong with a call, for tasks that pass it on with `?`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A text is not a valid address.
    Address(AddressError),
    /// A call failed.
    Call(Box<CallError>),
}

impl Error {
    /// Returns advice on the error, if wxec has any.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Address(_) => None,
            Self::Call(error) => error.hint(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Call(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<AddressError> for Error {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

impl<E> From<CallError<E>> for Error {
    fn from(error: CallError<E>) -> Self {
        Self::Call(Box::new(error.erase()))
    }
}

/// A text is not a valid address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError {
    /// The text.
    pub address: String,
    /// The reason why it is not valid.
    pub reason: String,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a valid address: {}",
            self.address.escape_debug(),
            self.reason
        )
    }
}

impl std::error::Error for AddressError {}

/// Makes a kind of failure of the agent's refusal to pass on a call. `input_bytes` is the length of
/// the arguments.
pub(super) fn refused<E>(error: HostError, input_bytes: usize) -> CallErrorKind<E> {
    let (limit, asked) = (MAX_ASK_BYTES as u64, input_bytes as u64);
    match error.need {
        Some(need) => CallErrorKind::Denied {
            needs: vec![need],
            message: String::new(),
        },
        None if asked > limit => CallErrorKind::Limit {
            which: LimitKind::Input,
            limit,
            asked,
        },
        None => CallErrorKind::Agent(error.message),
    }
}
