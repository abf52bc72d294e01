//! Calls under way: the caller's part, and the driver's.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wxec_protocol::{
    Ask, AskId, CallErrorKind, CallRequest, Digest, Fault, Usage, abi::TaskFailure,
};

use super::{command::Command, loss::Loss, output::Lines};
use crate::base::wait;

/// An open call. Dropping it cancels the call.
pub(crate) struct CallHandle {
    pub(super) reply: oneshot::Receiver<Returned>,
    pub(super) cancel: Option<(u64, mpsc::UnboundedSender<Command>)>,
}

/// The call did not end in time.
#[derive(Debug)]
pub(crate) struct Late;

impl CallHandle {
    /// Waits until the call has ended and the listener has heard all that it printed. The call must
    /// end `within` this time; the listener may take longer.
    pub(crate) async fn returned(mut self, within: Option<Duration>) -> Result<Reply, Late> {
        let reply = match within {
            None => Some((&mut self.reply).await),
            Some(within) => wait::within(within, &mut self.reply).await,
        };
        // Before anything else is dropped: a last handle on the host waits for the session's end,
        // which this thread would hold up.
        wait::retire();
        let reply = reply.ok_or(Late)?;
        self.cancel = None;
        let (reply, printed) = reply.unwrap_or_else(|_| (Err(Loss::after_the_end()), None));
        if let Some(printed) = printed {
            let _ = printed.await;
        }
        Ok(reply)
    }
}

impl Drop for CallHandle {
    fn drop(&mut self) {
        if let Some((key, commands)) = self.cancel.take() {
            let _ = commands.send(Command::Cancel { key });
        }
    }
}

/// A call that has not returned.
pub(super) struct Pending {
    pub(super) key: u64,
    pub(super) module: Digest,
    pub(super) artifact: Bytes,
    /// `None` from its first output on: the printer has them then.
    pub(super) lines: Option<Lines>,
    /// Carries the asks of the guest. Dropping it with the call takes back those still open.
    pub(super) asks: Option<Asks>,
    /// True if the agent may finish something after the call was cancelled.
    pub(super) lingers: bool,
    pub(super) reply: oneshot::Sender<Returned>,
}

/// A call on its way to the driver.
pub(super) type NewCall = Box<(CallRequest, Pending)>;

/// The outcome of a call.
pub(crate) type Reply = Result<(Result<Bytes, Fault>, Usage), Loss>;

/// The reply, and a receiver that resolves once the listener has heard all that the call printed.
pub(super) type Returned = (Reply, Option<oneshot::Receiver<()>>);

/// A call that a guest asks for on another host, and the way back for its outcome.
pub(crate) struct Asked {
    pub(super) ask: AskId,
    pub(crate) question: Ask,
    pub(super) commands: mpsc::WeakUnboundedSender<Command>,
}

impl Asked {
    pub(crate) fn answer(self, outcome: Result<Bytes, CallErrorKind<TaskFailure>>) {
        if let Some(commands) = self.commands.upgrade() {
            let _ = commands.send(Command::Answer {
                ask: self.ask,
                outcome,
            });
        }
    }
}

/// Sends a guest's asks to the part that makes the calls.
pub(crate) type Asks = mpsc::UnboundedSender<Asked>;
