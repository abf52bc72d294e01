//! What a guest asked its host for and did not get.

use wxec_protocol::{Fault, Need, abi::HostError};

use crate::{fault::bounded, limits::LimitHit};

/// With its message and what was needed it has to fit into a frame. A longer one is not passed on: its text is.
const MAX_FAILURE_BYTES: usize = 512 << 10;

/// Why a guest did not get what it asked for. It may go on without; if it gives up, this is why.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Its limits do not allow it.
    Limit(LimitHit),
    /// It was not granted.
    Denied(Need),
    /// The host has no more to give, in its own words.
    Host(String),
    /// Other calls have what there is, in words for people. There may be more later.
    Busy(String),
}

impl Refusal {
    /// What the guest hears of it.
    pub(crate) fn describe(&self) -> HostError {
        match self {
            Self::Limit(hit) => HostError { kind: "QuotaExceeded".into(), message: hit.to_string(), need: None },
            Self::Denied(need) => HostError {
                kind: "PermissionDenied".into(),
                message: format!("not granted: needs {need}"),
                need: Some(need.clone()),
            },
            Self::Host(reason) => HostError { kind: "OutOfMemory".into(), message: reason.clone(), need: None },
            Self::Busy(reason) => HostError { kind: "ResourceBusy".into(), message: reason.clone(), need: None },
        }
    }

    /// Why a call ended whose guest gave up after this. `failure` is the error of its task, if it returned one.
    pub(crate) fn into_fault(self, message: String, failure: Option<Vec<u8>>) -> Fault {
        match self {
            Self::Limit(hit) => hit.into(),
            Self::Denied(need) => {
                let failure = failure.filter(|failure| failure.len() <= MAX_FAILURE_BYTES);
                Fault::Denied { needs: vec![need], message: bounded(message), failure }
            }
            Self::Host(reason) => Fault::Agent(format!("the host has no memory for the guest: {reason}")),
            Self::Busy(reason) => Fault::Agent(reason),
        }
    }
}
