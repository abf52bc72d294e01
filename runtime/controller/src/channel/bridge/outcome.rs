//! The end of a call, as its bridges learn of it.

use tokio::sync::{oneshot, watch};
use wxec_protocol::StreamEnd;

use crate::{channel::ChannelEnd, session::Loss};

/// The end of the call that some bridges belong to. Its sender is dropped without a value if the
/// call was dropped.
pub(crate) type Outcome = watch::Receiver<Option<ChannelEnd>>;

/// Waits for the end of the call.
pub(super) async fn ended(mut outcome: Outcome) -> ChannelEnd {
    let ended = outcome.wait_for(Option::is_some).await;
    ended
        .ok()
        .and_then(|end| end.clone())
        .unwrap_or(ChannelEnd::Cancelled)
}

/// Waits until the call is dropped before its end.
pub(super) async fn dropped(mut outcome: Outcome) {
    if outcome.wait_for(Option::is_some).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// Returns why a stream ended: the guest closed it, or the call ended.
pub(super) async fn reason_of_end(
    stream_ended: oneshot::Receiver<Result<StreamEnd, Loss>>,
    call_ended: impl Future<Output = ChannelEnd>,
) -> ChannelEnd {
    match stream_ended.await {
        Ok(Ok(StreamEnd::Closed)) => ChannelEnd::Closed,
        _ => call_ended.await,
    }
}
