//! Services of a host for guests: its facts, and calls on other hosts. The sandbox itself has neither.

use std::pin::Pin;

use bytes::Bytes;
use wxec_protocol::{Ask, AskError, Facts};

/// The pending answer to an [`Ask`]. Dropping it withdraws the ask.
pub type Asking = Pin<Box<dyn Future<Output = Result<Bytes, AskError>> + Send>>;

/// Answers guests' questions about their host and other hosts. The sandbox checks the grants before
/// it calls this.
pub trait HostServices: Send + Sync + 'static {
    /// Returns the facts of this host.
    fn facts(&self) -> Facts;

    /// Calls a task on another host. The question fits into a frame.
    fn ask(&self, question: Ask) -> Asking;
}
