//! Work on each host of a fleet, before it starts.

use std::fmt;

use wxec_controller::CallError;

use crate::{
    driver::Job,
    judge::{Judge, call_error},
    rollout::Verdict,
    run::FleetRun,
};

/// Work on each host of a fleet, as [`Fleet::work`](crate::Fleet::work) returns it. Nothing happens
/// until it is [started](Self::start).
///
/// The rules of the fleet need to know how work ended. They know a [`CallError`] (unless its task
/// has a type of error of its own), a `TransferError` and an [`Error`](crate::Error); an error of
/// another type is a failure like any other. [`judge`](Self::judge) and
/// [`judge_calls`](Self::judge_calls) tell more.
#[must_use = "work does nothing until it is started"]
pub struct FleetWork<T, E>(pub(crate) Job<T, E>);

impl<T: Send + 'static, E: Send + 'static> FleetWork<T, E> {
    /// Declares that beginning the work twice on a host does no harm. With
    /// [`retries`](crate::Rules::retries), it is tried again where it failed.
    pub fn idempotent(mut self) -> Self {
        self.0.idempotent = true;
        self
    }

    /// Judges results by a function: the end of a command with a code of its own may be a failure.
    pub fn judge(mut self, judge: impl Fn(&Result<T, E>) -> Verdict + Send + Sync + 'static) -> Self
    where
        E: From<CallError>,
    {
        self.0.judge = Judge::of_results(judge).into();
        self
    }

    /// Starts the work. Dropping the returned run cancels it.
    pub fn start(self) -> FleetRun<T, E> {
        FleetRun::start(self.0)
    }

    pub(crate) fn judged_by(mut self, judge: Judge<T, E>) -> Self {
        self.0.judge = judge.into();
        self
    }

    pub(crate) fn idempotent_if(self, idempotent: bool) -> Self {
        if idempotent { self.idempotent() } else { self }
    }
}

impl<T: Send + 'static, E: Send + 'static> FleetWork<T, CallError<E>> {
    /// Judges errors as those of calls, also where their task has a type of error of its own.
    pub fn judge_calls(self) -> Self {
        self.judged_by(Judge::of_errors(Verdict::of_call, call_error))
    }
}

impl<T, E> fmt::Debug for FleetWork<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FleetWork")
    }
}
