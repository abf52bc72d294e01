//! The channel ends among the arguments of a call.

use std::{cell::RefCell, fmt, sync::Arc};

use wxec_protocol::cbor::EncodeError;

use super::running::{Bridge, Bridges};
use crate::{connect::Link, error::CallErrorKind};

/// One end of a channel that goes to a task.
pub(super) trait Port: Send + Sync {
    /// Returns true if each host of a fleet can have it.
    fn is_shared(&self) -> bool;
    /// Takes it for one call; `None` if another call has it.
    fn bridge(&self, host: &Arc<str>) -> Option<Box<dyn Bridge>>;
}

/// The channel ends among the arguments of a call.
#[derive(Clone, Default)]
pub struct ChannelEnds(Vec<Arc<dyn Port>>);

/// A task's arguments: a CBOR array, and the channel ends that stay in use during the call.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The CBOR.
    pub input: Vec<u8>,
    /// The channel ends among the arguments.
    pub ports: ChannelEnds,
}

thread_local! {
    /// Collects channel ends while arguments are encoded, and only then.
    static FOUND: RefCell<Option<ChannelEnds>> = const { RefCell::new(None) };
}

impl ChannelEnds {
    /// Runs `encode`, and adds the channel ends that it encodes.
    pub fn during<R>(&mut self, encode: impl FnOnce() -> R) -> R {
        FOUND.set(Some(std::mem::take(self)));
        let encoded = encode();
        *self = FOUND.take().unwrap_or_default();
        encoded
    }

    /// Joins them with the encoded arguments.
    pub fn beside(self, input: Vec<u8>) -> Arguments {
        Arguments { input, ports: self }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if each host of a fleet can have them.
    pub(crate) fn are_shared(&self) -> bool {
        self.0.iter().all(|port| port.is_shared())
    }

    /// Takes them for a call on `host`.
    pub(crate) fn bridges<E>(&self, link: &Link) -> Result<Bridges, CallErrorKind<E>> {
        let waiting = self.0.iter().map(|port| port.bridge(link.name()));
        let waiting = waiting.collect::<Option<_>>().ok_or_else(|| {
            CallErrorKind::Encode(EncodeError::new("a `Receiver` that another call has"))
        })?;
        Ok(Bridges::new(waiting, link.clone()))
    }

    /// Adds a port; returns its index.
    pub(super) fn add(port: impl Port + 'static) -> Option<u32> {
        FOUND.with_borrow_mut(|found| {
            let Self(ports) = found.as_mut()?;
            ports.push(Arc::new(port));
            u32::try_from(ports.len() - 1).ok()
        })
    }
}

impl fmt::Debug for ChannelEnds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChannelEnds").field(&self.0.len()).finish()
    }
}
