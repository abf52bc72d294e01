//! What a sandbox does not know itself: the place it runs in, and the way to other hosts.

use std::pin::Pin;

use bytes::Bytes;
use wxec_protocol::{Ask, AskError, Facts};

/// What becomes of an [`Ask`]. Dropping it takes the ask back.
pub type Asking = Pin<Box<dyn Future<Output = Result<Bytes, AskError>> + Send>>;

/// Tells guests of what is around them, once they were found to be granted that.
pub trait Surroundings: Send + Sync + 'static {
    /// What this host says of itself.
    fn facts(&self) -> Facts;

    /// Has a task called on another host. The question fits into a frame.
    fn ask(&self, question: Ask) -> Asking;
}
