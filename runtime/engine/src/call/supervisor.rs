//! Watches over a guest while it is polled: ticks, deadline, and panics of the host's own code.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::time::{Sleep, sleep_until};
use wxec_protocol::Fault;

use crate::{call::ticker::Ticker, limits::text::bounded};

/// Runs `guest` to its end, or to its deadline counted from `started`.
pub(crate) async fn supervise(
    mut guest: Pin<&mut impl Future<Output = Result<Bytes, Fault>>>,
    ticker: &Ticker,
    started: Instant,
    deadline_ms: Option<u64>,
) -> Result<Bytes, Fault> {
    let mut alarm = pin!(None);
    poll_fn(|context| {
        if let Poll::Ready(outcome) = poll_guest(guest.as_mut(), ticker, context) {
            return Poll::Ready(outcome);
        }
        let Some(after_ms) = deadline_ms else {
            return Poll::Pending;
        };
        poll_alarm(alarm.as_mut(), started, after_ms, context)
            .map(|()| Err(Fault::Deadline { after_ms }))
    })
    .await
}

/// Polls the guest once. The ticker ticks while a guest is on a thread, and not while it waits. A
/// panic of host code becomes a fault of the agent, in this call only: other calls share the
/// process.
fn poll_guest(
    guest: Pin<&mut impl Future<Output = Result<Bytes, Fault>>>,
    ticker: &Ticker,
    context: &mut Context<'_>,
) -> Poll<Result<Bytes, Fault>> {
    let _ticking = ticker.guest_runs();
    catch_unwind(AssertUnwindSafe(|| guest.poll(context)))
        .unwrap_or_else(|panic| Poll::Ready(Err(Fault::Agent(panic_text(&*panic)))))
}

/// Polls the deadline's timer. It is set when the guest first waits: most guests have ended by
/// then, and setting it takes a lock.
fn poll_alarm(
    mut alarm: Pin<&mut Option<Sleep>>,
    started: Instant,
    after_ms: u64,
    context: &mut Context<'_>,
) -> Poll<()> {
    if alarm.is_none() {
        // A deadline beyond the end of the clock never comes.
        let Some(at) = started.checked_add(Duration::from_millis(after_ms)) else {
            return Poll::Pending;
        };
        alarm.set(Some(sleep_until(at.into())));
    }
    alarm
        .as_pin_mut()
        .map_or(Poll::Pending, |alarm| alarm.poll(context))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    bounded(format!("panicked: {}", text.unwrap_or("without a message")))
}
