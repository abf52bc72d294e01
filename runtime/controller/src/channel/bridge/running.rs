//! The bridges of one call.

use std::pin::Pin;

use tokio::sync::watch;

use super::outcome::Outcome;
use crate::{base::runtime, channel::ChannelEnd, connect::Link, session::task_stream::TaskStream};

/// Carries the items of one stream.
pub(crate) trait Bridge: Send {
    /// Carries items until either side ends.
    fn run(
        self: Box<Self>,
        stream: TaskStream,
        outcome: Outcome,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    /// Ends the channel; there will be no stream.
    fn give_up(self: Box<Self>, end: ChannelEnd);
}

/// The bridges of one call. Dropping them before the call has ended marks the call as dropped.
pub(crate) struct Bridges {
    waiting: Vec<Box<dyn Bridge>>,
    /// Kept, so that the host stays connected until all that was sent has been received.
    link: Link,
    outcome: watch::Sender<Option<ChannelEnd>>,
}

impl Bridges {
    /// Creates the bridges of a call on the host at `link`.
    pub(super) fn new(waiting: Vec<Box<dyn Bridge>>, link: Link) -> Self {
        Self {
            waiting,
            link,
            outcome: watch::channel(None).0,
        }
    }

    /// The number of streams that they need.
    pub(crate) fn count(&self) -> usize {
        self.waiting.len()
    }

    /// Begins to carry items.
    pub(crate) fn start(&mut self, streams: Vec<TaskStream>) {
        for (bridge, stream) in self.waiting.drain(..).zip(streams) {
            let (running, link) = (
                bridge.run(stream, self.outcome.subscribe()),
                self.link.clone(),
            );
            runtime::spawn(async move {
                running.await;
                drop(link);
            });
        }
    }

    /// Starts one more bridge, which is over when the future is.
    pub(crate) fn carry(
        &self,
        bridge: Box<dyn Bridge>,
        stream: TaskStream,
    ) -> impl Future<Output = ()> + Send + use<> {
        bridge.run(stream, self.outcome.subscribe())
    }

    /// Tells how the call ended.
    pub(crate) fn end(mut self, end: ChannelEnd) {
        self.waiting
            .drain(..)
            .for_each(|bridge| bridge.give_up(end.clone()));
        self.outcome.send_replace(Some(end));
    }
}

impl Drop for Bridges {
    fn drop(&mut self) {
        self.waiting
            .drain(..)
            .for_each(|bridge| bridge.give_up(ChannelEnd::Cancelled));
    }
}
