//! The error of any of wxec's operations.

use std::fmt;

use super::FleetError;
use crate::{
    address::AddressError,
    base::text::with_sources,
    error::{CallError, ModuleError},
    files::TransferError,
    process::CommandFailed,
};

/// Result of this crate's functions that have no more specific error type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of this crate, for programs that pass it on with `?`.
///
/// `Debug` prints the text for users, because Rust prints `Debug` of an error that `main` returns.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not a valid address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A module is not available, or not understood.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// A call failed.
    #[error(transparent)]
    Call(Box<CallError>),
    /// Files were not transferred.
    #[error(transparent)]
    Transfer(Box<TransferError>),
    /// A command ran on a host and did not succeed.
    #[error(transparent)]
    Command(#[from] CommandFailed),
    /// Calls on some hosts of a fleet failed.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// A [`Receiver`](crate::Receiver) was given to a call on a fleet, but its items can go to one
    /// host only.
    #[error(
        "a `Receiver` was given to a fleet of {hosts} hosts, and each host needs a channel of its own"
    )]
    SharedReceiver {
        /// Number of hosts in the fleet.
        hosts: usize,
    },
}

impl Error {
    /// Returns advice on the error, if wxec has any.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Address(_) | Self::Fleet(_) | Self::Command(_) => None,
            Self::SharedReceiver { .. } => Some("call each host by itself".into()),
            Self::Module(error) => error.hint(),
            Self::Call(error) => error.hint(),
            Self::Transfer(error) => error.hint(),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_sources(self))?;
        self.hint().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl<E> From<CallError<E>> for Error {
    fn from(error: CallError<E>) -> Self {
        Self::Call(Box::new(error.erase()))
    }
}

impl From<TransferError> for Error {
    fn from(error: TransferError) -> Self {
        Self::Transfer(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{CallErrorKind, Phase, Unreachable};
    use std::convert::Infallible;

    #[test]
    fn what_main_returns_is_printed_for_people() {
        let unreachable =
            Unreachable::new(Phase::Resolve, "ssh: no such name\n").hint("check the name");
        let error = Error::from(CallError::<Infallible>::new(
            "web1".into(),
            CallErrorKind::Unreachable(unreachable),
        ));
        assert_eq!(
            format!("{error:?}"),
            "web1: unreachable (resolving its name): ssh: no such name; check the name"
        );
    }
}
