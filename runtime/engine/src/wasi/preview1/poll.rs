//! Waiting: for a time, or for stdin.

use std::{future::poll_fn, pin::pin, task::Poll};

use wasmtime_wasi::p1::{
    types::{self, Errno, Fd, Size},
    wasi_snapshot_preview1::WasiSnapshotPreview1,
};
use wiggle::{GuestMemory, GuestPtr};

use super::access::Result;
use crate::call::guest::Guest;

/// Sizes of preview 1's types.
const SUBSCRIPTION_BYTES: usize = 48;
const EVENT_BYTES: usize = 32;

pub(super) async fn poll_oneoff(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    subscriptions: GuestPtr<types::Subscription>,
    events: GuestPtr<types::Event>,
    count: Size,
) -> Result<Size> {
    if let (Some(clock), 1) = (&guest.wasi.clock, count)
        && let types::Subscription {
            userdata,
            u: types::SubscriptionU::Clock(sleep),
        } = memory.read(subscriptions)?
        && !sleep
            .flags
            .contains(types::Subclockflags::SUBSCRIPTION_CLOCK_ABSTIME)
    {
        // A guest that sleeps by a made-up clock need not wait.
        clock.pass(sleep.timeout);
        memory.write(events, slept(userdata))?;
        return Ok(1);
    }
    guest
        .wasi
        .ctx
        .poll_oneoff(memory, subscriptions, events, count)
        .await
}

/// Returns the event for a guest that slept.
fn slept(userdata: types::Userdata) -> types::Event {
    let fd_readwrite = types::EventFdReadwrite {
        nbytes: 0,
        flags: types::Eventrwflags::empty(),
    };
    types::Event {
        userdata,
        error: Errno::Success,
        type_: types::Eventtype::Clock,
        fd_readwrite,
    }
}

impl Guest {
    /// Returns true if stdin has something to read now, or is at its end. Does not wait.
    pub(super) async fn is_stdin_ready(&mut self, fd: Fd) -> Result<bool> {
        // One subscription and one event, in a memory of their own that is aligned to 8 bytes.
        let mut room = [0; SUBSCRIPTION_BYTES + EVENT_BYTES + 8];
        let start = room.as_ptr().align_offset(8).min(8);
        let memory = &mut GuestMemory::Unshared(&mut room[start..]);
        let subscription = GuestPtr::new(0);
        let stdin = types::SubscriptionFdReadwrite {
            file_descriptor: fd,
        };
        let stdin = types::SubscriptionU::FdRead(stdin);
        memory.write(
            subscription,
            types::Subscription {
                userdata: 0,
                u: stdin,
            },
        )?;
        let event = GuestPtr::new(u32::try_from(SUBSCRIPTION_BYTES).expect("it is 48"));
        let mut poll = pin!(self.wasi.ctx.poll_oneoff(memory, subscription, event, 1));
        let asked = poll_fn(|context| Poll::Ready(poll.as_mut().poll(context))).await;
        match asked {
            Poll::Ready(answer) => answer.map(|_| true),
            Poll::Pending => Ok(false),
        }
    }
}
