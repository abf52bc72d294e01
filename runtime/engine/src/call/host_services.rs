//! Services of a host for guests: its facts, and calls on other hosts. The sandbox itself has neither.

use std::pin::Pin;

use bytes::Bytes;
use wxec_protocol::{Ask, Facts};

/// The pending answer to an [`Ask`]: the encoded value, or the encoded
/// [`CallErrorKind`](wxec_protocol::CallErrorKind); `None` if there will be none. Dropping it
/// withdraws the ask.
pub type Asking = Pin<Box<dyn Future<Output = Option<Result<Bytes, Bytes>>> + Send>>;

/// Answers guests' questions about their host and other hosts. The sandbox checks the grants before
/// it calls this.
pub trait HostServices: Send + Sync + 'static {
    /// Returns the facts of this host.
    fn facts(&self) -> Facts;

    /// Calls a task on another host. The question fits into a frame.
    fn ask(&self, question: Ask) -> Asking;
}
