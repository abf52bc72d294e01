//! A session's driver, and those who drive it.

use std::{
    future::poll_fn,
    os::fd::{AsFd, OwnedFd},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::task::unconstrained;

use super::{
    driver::{Driver, End},
    turns::{Left, Turns},
};
use crate::base::{sync::lock, wait, waiter::Waiter};

/// A driver, with the turns at it.
pub(super) struct Conversation {
    /// `None` at the end.
    driver: Mutex<Option<Driver>>,
    turns: Arc<Turns>,
    /// Wakes all who drive.
    waker: Waker,
    /// True if threads may lead: the transport is two pipes of this machine.
    has_pipes: bool,
}

impl Conversation {
    pub(super) fn new(mut driver: Driver) -> Arc<Self> {
        let turns = Arc::<Turns>::default();
        let has_pipes = driver.pipes().is_some();
        Arc::new(Self {
            driver: Mutex::new(Some(driver)),
            waker: turns.clone().into(),
            turns,
            has_pipes,
        })
    }

    /// Drives the session to its end, except while a thread leads it.
    pub(super) async fn run(self: Arc<Self>) {
        let mut rest = pin!(tokio::time::sleep(Duration::ZERO));
        let ended = poll_fn(
            |context| match self.turns.poll_task(context, rest.as_mut()) {
                Poll::Ready(()) => self.poll_watched(),
                Poll::Pending => Poll::Pending,
            },
        );
        let (driver, end) = ended.await;
        driver.finish(end).await;
    }

    /// Polls the driver for the session's task. Returns it at its end.
    fn poll_watched(&self) -> Poll<(Driver, End)> {
        let mut locked = lock(&self.driver);
        let driver = locked.as_mut().expect("only the task takes it");
        let end = driver.poll_watched(&mut Context::from_waker(&self.waker));
        end.map(|end| {
            // Threads that wait sleep from now on, until the driver tells them.
            self.turns.end();
            (locked.take().expect("it was there"), end)
        })
    }

    /// Has this thread drive the session, if it blocks.
    pub(super) fn offer(self: &Arc<Self>) {
        self.offer_with(0);
    }

    /// Has this thread drive the session, if it blocks and has the only stream, and nothing else is
    /// under way. Each time the thread then does something else, the session rests, but no longer
    /// than others that may need it can wait.
    pub(super) fn offer_to_stream(self: &Arc<Self>) {
        let driver = lock(&self.driver);
        let is_alone = driver.as_ref().is_some_and(|driver| driver.is_at_rest(1));
        drop(driver);
        if is_alone {
            self.offer_with(1);
        }
    }

    /// Has the session's task look after the session, unless a thread leads it.
    pub(super) fn wake(&self) {
        self.waker.wake_by_ref();
    }

    fn offer_with(self: &Arc<Self>, own_streams: usize) {
        if self.has_pipes {
            wait::offer(|waiter| {
                let mut seat = Seat::new(self.clone(), waiter, own_streams);
                move |until| seat.work(until)
            });
        }
    }
}

/// The part that a waiting thread has in driving a session.
struct Seat {
    conversation: Arc<Conversation>,
    waiter: Arc<Waiter>,
    /// Streams that only this thread uses.
    own_streams: usize,
    leads: bool,
}

impl Seat {
    /// Takes the lead if it is free, before the thread sends its first command: that wakes no other
    /// thread then.
    fn new(conversation: Arc<Conversation>, waiter: Arc<Waiter>, own_streams: usize) -> Self {
        let leads = conversation.turns.join(&waiter);
        Self {
            conversation,
            waiter,
            own_streams,
            leads,
        }
    }

    /// Leads if no other thread does, else sleeps, until the thread is woken or the time is up.
    fn work(&mut self, until: Option<Instant>) {
        self.leads = self.leads || self.conversation.turns.join(&self.waiter);
        if self.leads {
            self.lead(until);
        } else {
            self.waiter.sleep(None, None, until);
        }
    }

    /// Drives until the thread is woken or the time is up.
    fn lead(&mut self, until: Option<Instant>) {
        loop {
            let Some(awaited) = self.poll() else {
                return self.leave();
            };
            let [read, write] = awaited.each_ref().map(|pipe| Some(pipe.as_ref()?.as_fd()));
            let ready = self.waiter.sleep(read, write, until);
            if !ready.read && !ready.write {
                return;
            }
            if let Some(driver) = &mut *lock(&self.conversation.driver) {
                driver.note_ready(ready);
            }
            // What others receive may keep the pipes ready.
            if until.is_some_and(|until| until <= Instant::now()) {
                return;
            }
        }
    }

    /// Polls the driver. Returns the pipes that have to become ready, or `None` at the end.
    fn poll(&self) -> Option<[Option<Arc<OwnedFd>>; 2]> {
        let Conversation {
            driver,
            turns,
            waker,
            ..
        } = &*self.conversation;
        let mut locked = lock(driver);
        let driver = locked.as_mut()?;
        turns.begin();
        // The caller may block within a task of tokio's, whose budget is not the driver's.
        let driven = pin!(unconstrained(poll_fn(|context| {
            driver.poll_unwatched(context)
        })));
        if driven.poll(&mut Context::from_waker(waker)).is_ready() {
            // The rest takes time, which the task has.
            turns.end();
            return None;
        }
        Some(driver.awaited())
    }

    fn leave(&mut self) {
        self.leads = false;
        let locked = lock(&self.conversation.driver);
        let left = match &*locked {
            Some(driver) if !driver.is_at_rest(self.own_streams) => Left::Busy,
            _ => Left::AtRest,
        };
        drop(locked);
        self.conversation.turns.leave(left);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.leads {
            self.leave();
        } else {
            self.conversation.turns.unfollow(&self.waiter);
        }
    }
}
