//! The place a sandbox runs in, and the way to other hosts: the sandbox itself knows neither.

use std::pin::Pin;

use bytes::Bytes;
use wxec_protocol::{Ask, AskError, Facts};

/// The pending answer to an [`Ask`]. Dropping it withdraws the ask.
pub type Asking = Pin<Box<dyn Future<Output = Result<Bytes, AskError>> + Send>>;

/// Answers guests' questions about their host and other hosts. The sandbox checks the grants before
/// it calls this.
pub trait Surroundings: Send + Sync + 'static {
    /// Returns the facts of this host.
    fn facts(&self) -> Facts;

    /// Calls a task on another host. The question fits into a frame.
    fn ask(&self, question: Ask) -> Asking;
}
