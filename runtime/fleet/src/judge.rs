//! Errors of work on hosts, as a run judges and makes them.

use std::{
    any::{Any, TypeId},
    sync::Arc,
};

use wxec_controller::{
    CallError, CallErrorKind, Unreachable,
    transfer::{TransferError, TransferErrorKind},
};

use crate::{error::Error, rollout::Verdict};

/// Judges results of work, and makes the error of a host that is unreachable.
pub(crate) struct Judge<T, E> {
    verdict: Box<Verdicts<T, E>>,
    /// `None` if the error cannot say that a host is unreachable. The run then leaves connecting to
    /// the work.
    unreachable: Option<fn(Arc<str>, Unreachable) -> E>,
}

type Verdicts<T, E> = dyn Fn(&Result<T, E>) -> Verdict + Send + Sync;

impl<T, E> Judge<T, E> {
    /// Judges errors by `of`.
    pub(crate) fn of_errors(
        of: impl Fn(&E) -> Verdict + Send + Sync + 'static,
        unreachable: fn(Arc<str>, Unreachable) -> E,
    ) -> Self {
        Self {
            verdict: Box::new(move |result| result.as_ref().map_or_else(&of, |_| Verdict::ok())),
            unreachable: Some(unreachable),
        }
    }

    /// Judges results by `of`.
    pub(crate) fn of_results(of: impl Fn(&Result<T, E>) -> Verdict + Send + Sync + 'static) -> Self
    where
        E: From<CallError>,
    {
        Self {
            verdict: Box::new(of),
            unreachable: Some(|host, failure| call_error(host, failure).into()),
        }
    }

    /// Judges errors of any type: those of this crate by their kinds, and all others as failures.
    pub(crate) fn of_any() -> Self
    where
        E: 'static,
    {
        Self {
            verdict: Box::new(|result| result.as_ref().map_or_else(of_any, |_| Verdict::ok())),
            unreachable: is_own::<E>().then_some(|host, failure| {
                own_error(host, failure).expect("the type is one of the crate's own")
            }),
        }
    }

    pub(crate) fn verdict(&self, result: &Result<T, E>) -> Verdict {
        (self.verdict)(result)
    }

    pub(crate) fn can_say_unreachable(&self) -> bool {
        self.unreachable.is_some()
    }

    pub(crate) fn unreachable(&self, host: Arc<str>, failure: Unreachable) -> Option<E> {
        self.unreachable.map(|error| error(host, failure))
    }
}

/// Makes the error of a call on a host that is unreachable.
pub(crate) fn call_error<E>(host: Arc<str>, failure: Unreachable) -> CallError<E> {
    CallError::new(host, CallErrorKind::Unreachable(failure))
}

/// Makes the error of a transfer on a host that is unreachable.
pub(crate) fn transfer_error(host: Arc<str>, failure: Unreachable) -> TransferError {
    TransferError::new(host, TransferErrorKind::Unreachable(failure))
}

/// Judges an error of work that may have several steps: whatever its error, the first of them may be
/// done.
fn of_any<E: 'static>(error: &E) -> Verdict {
    of_one(error).of_several_steps()
}

fn of_one<E: 'static>(error: &E) -> Verdict {
    let error: &dyn Any = error;
    if let Some(error) = error.downcast_ref::<CallError>() {
        return Verdict::of_call(error);
    }
    if let Some(error) = error.downcast_ref::<TransferError>() {
        return Verdict::of_transfer(error);
    }
    match error.downcast_ref::<Error>() {
        Some(Error::Call(error)) => Verdict::of_call(error),
        Some(Error::Transfer(error)) => Verdict::of_transfer(error),
        Some(error) => Verdict::failed(error.to_string()),
        None => Verdict::failed("failed"),
    }
}

fn is_own<E: 'static>() -> bool {
    let own = [
        TypeId::of::<CallError>(),
        TypeId::of::<TransferError>(),
        TypeId::of::<Error>(),
    ];
    own.contains(&TypeId::of::<E>())
}

fn own_error<E: 'static>(host: Arc<str>, failure: Unreachable) -> Option<E> {
    let wanted = TypeId::of::<E>();
    let error: Box<dyn Any> = if wanted == TypeId::of::<TransferError>() {
        Box::new(transfer_error(host, failure))
    } else if wanted == TypeId::of::<Error>() {
        Box::new(Error::from(call_error::<std::convert::Infallible>(
            host, failure,
        )))
    } else {
        Box::new(call_error::<std::convert::Infallible>(host, failure))
    };
    error.downcast().ok().map(|error| *error)
}

#[cfg(test)]
mod tests {
    use wxec_controller::Phase;

    use super::*;
    use crate::rollout::Ending;

    fn failure() -> Unreachable {
        Unreachable::new(Phase::Connect, "refused")
    }

    fn judged<E: 'static>() -> Ending {
        let judge = Judge::<(), E>::of_any();
        let error = judge.unreachable("web1".into(), failure()).unwrap();
        judge.verdict(&Err(error)).ending
    }

    #[test]
    fn own_errors_can_say_that_a_host_is_unreachable() {
        assert_eq!(judged::<CallError>(), Ending::Unreachable);
        assert_eq!(judged::<TransferError>(), Ending::Unreachable);
        assert_eq!(judged::<Error>(), Ending::Unreachable);
    }

    #[test]
    fn any_other_error_is_a_failure() {
        let judge = Judge::<(), String>::of_any();
        assert!(!judge.can_say_unreachable());
        assert_eq!(judge.verdict(&Err("no".into())).ending, Ending::Failed);
        assert_eq!(judge.verdict(&Ok(())).ending, Ending::Ok);
    }
}
