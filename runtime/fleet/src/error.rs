//! The error of any of wxec's operations.

use std::fmt;

use wxec_controller::{
    AddressError, CallError, CommandFailed, ModuleError, transfer::TransferError,
};

use crate::{
    inventory::{InventoryError, TargetError},
    outcomes::FleetError,
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
    /// An inventory has mistakes.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// A target names no hosts.
    #[error(transparent)]
    Target(#[from] TargetError),
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
    /// Some hosts of a fleet failed.
    #[error(transparent)]
    Fleet(Box<FleetError<Self>>),
}

impl Error {
    /// Returns advice on the error, if wxec has any.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Address(_) | Self::Inventory(_) | Self::Fleet(_) | Self::Command(_) => None,
            Self::Target(error) => error.hint(),
            Self::Module(error) => error.hint(),
            Self::Call(error) => error.hint(),
            Self::Transfer(error) => error.hint(),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
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

impl<E> From<FleetError<E>> for Error
where
    Self: From<E>,
{
    fn from(error: FleetError<E>) -> Self {
        Self::Fleet(Box::new(FleetError {
            hosts: error.hosts,
            failures: error.failures.into_iter().map(Self::from).collect(),
            stopped: error.stopped,
        }))
    }
}

#[cfg(test)]
mod tests {
    use wxec_controller::Host;

    use super::*;

    #[test]
    fn what_main_returns_is_printed_for_people() {
        let failure = Host::new("exec:[\"false\"]")
            .unwrap()
            .connect()
            .wait()
            .unwrap_err();
        let hint = failure.hint();
        let error = Error::from(failure.clone());
        let text = hint.map_or_else(|| failure.to_string(), |hint| format!("{failure}; {hint}"));
        assert_eq!(format!("{error:?}"), text);
        let both = Error::from(FleetError {
            hosts: 3,
            failures: vec![failure.clone(), failure.clone()],
            stopped: None,
        });
        assert_eq!(
            both.to_string(),
            format!("2 of 3 hosts failed\n  {failure}\n  {failure}")
        );
    }
}
