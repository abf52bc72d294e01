//! Turns at driving a session. The session's task drives it, or a thread that waits for a call, so
//! that a call wakes no other thread: the *leader*. Other threads that wait follow it, and one of
//! them leads next.
//!
//! A leader that leaves a session with nothing under way leaves it at rest: the task looks after it
//! a little later, if no other thread has led it by then. So calls that follow each other wake the
//! task once in a while, rather than each time.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use crate::base::{sync::lock, waiter::Waiter};

/// Longest rest of a session. The task wakes as often while threads lead one after another, and an
/// agent's end is noticed as much later.
const REST: Duration = Duration::from_millis(20);

/// The one waker of a session's driver, for all who drive it.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    leader: Option<Arc<Waiter>>,
    followers: Vec<Arc<Waiter>>,
    task: Option<Waker>,
    /// The driver has something to do.
    due: bool,
    /// The task looks after the session each [`REST`].
    ticks: bool,
    /// A thread has led since the last tick.
    led: bool,
    /// The conversation is over: the task alone does the rest.
    over: bool,
}

/// State in which a leader leaves the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Something is under way.
    Busy,
    /// Nothing is under way.
    AtRest,
}

impl Turns {
    /// Makes a thread the leader, if there is none, or else a follower. Returns true if it leads.
    pub(super) fn join(&self, waiter: &Arc<Waiter>) -> bool {
        let mut state = lock(&self.0);
        if state.leader.is_none() && !state.over {
            state.followers.retain(|other| !Arc::ptr_eq(other, waiter));
            state.leader = Some(waiter.clone());
            return true;
        }
        if !state
            .followers
            .iter()
            .any(|other| Arc::ptr_eq(other, waiter))
        {
            state.followers.push(waiter.clone());
        }
        false
    }

    /// Ends the part of a leader.
    pub(super) fn leave(&self, left: Left) {
        let mut state = lock(&self.0);
        state.leader = None;
        state.led = true;
        if left == Left::Busy || state.over {
            state.due = true;
        }
        pass_on(state);
    }

    /// Ends the part of a follower. It may have been woken to lead.
    pub(super) fn unfollow(&self, waiter: &Arc<Waiter>) {
        let mut state = lock(&self.0);
        state.followers.retain(|other| !Arc::ptr_eq(other, waiter));
        if state.leader.is_none() {
            pass_on(state);
        }
    }

    /// Notes that a driver looks at everything now.
    pub(super) fn begin(&self) {
        lock(&self.0).due = false;
    }

    /// Notes that the conversation is over.
    pub(super) fn end(&self) {
        let mut state = lock(&self.0);
        state.over = true;
        state.due = true;
    }

    /// Resolves when it is the turn of the task.
    pub(super) fn poll_task(
        &self,
        context: &mut Context<'_>,
        mut rest: Pin<&mut Sleep>,
    ) -> Poll<()> {
        let mut state = lock(&self.0);
        state.task = Some(context.waker().clone());
        while state.ticks && (state.leader.is_some() || !state.due) {
            ready!(rest.as_mut().poll(context));
            state.ticks = mem::take(&mut state.led);
            rest.as_mut().reset(Instant::now() + REST);
        }
        if state.leader.is_some() {
            return Poll::Pending;
        }
        state.ticks = false;
        state.due = false;
        Poll::Ready(())
    }
}

/// Passes the session on to a follower, or else to the task.
fn pass_on(mut state: std::sync::MutexGuard<'_, State>) {
    let follower = state.followers.first().filter(|_| !state.over).cloned();
    let next = match follower {
        Some(follower) => Some(follower.into()),
        None if state.due || !mem::replace(&mut state.ticks, true) => state.task.clone(),
        None => None,
    };
    drop(state);
    if let Some(next) = next {
        next.wake();
    }
}

impl Wake for Turns {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = lock(&self.0);
        state.due = true;
        let driver = match &state.leader {
            Some(leader) => Some(Waker::from(leader.clone())),
            None => state.task.clone(),
        };
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}
