//! Refusals: a guest asked its host for something and did not get it.

use wxec_protocol::{Fault, Need, abi::HostError};

use crate::{limits::growth::LimitHit, limits::text::bounded};

/// Longest task error passed on in a fault: with its message and need it has to fit into a frame.
/// Of a longer error only the text is passed on.
const MAX_FAILURE_BYTES: usize = 512 << 10;

/// Reason why a guest did not get what it asked for. The guest may go on without; if it gives up,
/// this is the reason.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The limits of the call do not allow it.
    Limit(LimitHit),
    /// The call has no grant for it.
    Denied(Need),
    /// The host has no more to give; the text is its own.
    Host(String),
    /// Other calls have all there is; the text is for people. A later attempt may succeed.
    Busy(String),
}

impl Refusal {
    /// Describes the refusal to the guest.
    pub(crate) fn describe(&self) -> HostError {
        match self {
            Self::Limit(hit) => HostError {
                kind: "QuotaExceeded".into(),
                message: hit.to_string(),
                need: None,
            },
            Self::Denied(need) => HostError {
                kind: "PermissionDenied".into(),
                message: format!("not granted: needs {need}"),
                need: Some(need.clone()),
            },
            Self::Host(reason) => HostError {
                kind: "OutOfMemory".into(),
                message: reason.clone(),
                need: None,
            },
            Self::Busy(reason) => HostError {
                kind: "ResourceBusy".into(),
                message: reason.clone(),
                need: None,
            },
        }
    }

    /// Returns the fault of a call whose guest gave up after this. `failure` is the error of its
    /// task, if it returned one.
    pub(crate) fn into_fault(self, message: String, failure: Option<Vec<u8>>) -> Fault {
        match self {
            Self::Limit(hit) => hit.into(),
            Self::Denied(need) => {
                let failure = failure.filter(|failure| failure.len() <= MAX_FAILURE_BYTES);
                Fault::Denied {
                    needs: vec![need],
                    message: bounded(message),
                    failure,
                }
            }
            Self::Host(reason) => {
                Fault::Agent(format!("the host has no memory for the guest: {reason}"))
            }
            Self::Busy(reason) => Fault::Agent(reason),
        }
    }
}
