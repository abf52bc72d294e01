//! Calls of tasks that return a stream. The call resolves when its function has returned, and
//! continues in the background as long as the stream does.

use std::{pin::pin, sync::Arc, time::Duration};

use wxec_protocol::cbor::DecodeError;

use super::{
    make::{CheckedCall, SentCall},
    task::TaskCall,
};
use crate::{
    base::runtime,
    channel::{Bridges, ChannelEnd, Incoming},
    error::{CallError, CallErrorKind},
    host::Host,
    session::task_stream::{Broken, TaskStream},
};

/// Time limit for the returned value once its call has returned. The value was sent before, so this
/// is generous.
const FIRST_WITHIN: Duration = Duration::from_secs(60);

/// Makes a call that returns a stream. The receiver of that stream, which `open` makes, owns the
/// call from then on.
pub(super) async fn run<T: Send + 'static, E: Send + 'static>(
    host: Host,
    call: TaskCall<T, E>,
    open: fn(&Arc<str>) -> (T, Incoming),
    mut bridges: Bridges,
) -> Result<T, CallError<E>> {
    match begin(&host, call, &mut bridges).await {
        Ok(begun) => {
            let (value, incoming) = open(&host.shared_name());
            begun.go_on(incoming, bridges, host);
            Ok(value)
        }
        Err(error) => {
            bridges.end(ChannelEnd::Failed(Box::new(error.erase())));
            Err(error)
        }
    }
}

/// A call whose function has returned a stream.
struct Begun<F> {
    stream: TaskStream,
    /// The rest of the call, unless the call has ended.
    rest: Option<F>,
}

/// Makes the call, and waits until its function has returned a stream.
async fn begin<T: Send + 'static, E: Send + 'static>(
    host: &Host,
    call: TaskCall<T, E>,
    bridges: &mut Bridges,
) -> Result<
    Begun<impl Future<Output = Result<(), CallError<E>>> + Send + Unpin + use<T, E>>,
    CallError<E>,
> {
    let streams = bridges.count() + 1;
    let call = CheckedCall::new(host.clone(), call, streams).await?;
    let (sent, mut opened) = call.send(streams).await?;
    let stream = opened.pop();
    bridges.start(opened);
    let no_stream = || {
        call.failed(CallErrorKind::BadModule(
            "the function returned no stream".into(),
        ))
    };
    let mut stream = stream.ok_or_else(no_stream)?;
    let mut rest = Box::pin(end(sent));
    // Call messages may arrive before stream data that was sent earlier.
    let mut ended = false;
    let first = {
        let mut first = pin!(stream.next_item());
        tokio::select! {
            biased;
            first = &mut first => first,
            end = &mut rest => {
                if let Err(error) = end {
                    return Err(call.explain(error).await);
                }
                ended = true;
                // The value was sent before. If the agent has lost it, no message says so: hence
                // the limit.
                let late = |_| Err(Broken::Lost("the call returned, and what it returned did not arrive".into()));
                runtime::timeout(FIRST_WITHIN, first).await.unwrap_or_else(late)
            }
        }
    };
    let failure = match first {
        Ok(Some(_)) => {
            return Ok(Begun {
                stream,
                rest: (!ended).then_some(rest),
            });
        }
        Err(Broken::Item(reason)) => {
            return Err(call.failed(CallErrorKind::Decode(DecodeError::Type(reason))));
        }
        Ok(None) => no_stream(),
        Err(Broken::Lost(reason)) => call.failed(CallErrorKind::Lost {
            reason,
            stderr_tail: String::new(),
        }),
    };
    // If the call itself failed, that is the cause.
    if !ended && let Err(error) = rest.await {
        return Err(call.explain(error).await);
    }
    Err(failure)
}

/// Waits for the end of a call, of which no more than that counts.
async fn end<E>(call: SentCall<E>) -> Result<(), CallError<E>> {
    call.answer().await.map(drop)
}

impl<E, F> Begun<F>
where
    E: Send + 'static,
    F: Future<Output = Result<(), CallError<E>>> + Send + Unpin + 'static,
{
    /// Carries the stream in the background. If its receiver goes first, the rest of the call is
    /// cancelled.
    fn go_on(self, Incoming(bridge): Incoming, bridges: Bridges, host: Host) {
        let carrying = bridges.carry(bridge, self.stream);
        runtime::spawn(async move {
            let mut carrying = pin!(carrying);
            let end = match self.rest {
                None => ChannelEnd::Returned,
                Some(rest) => tokio::select! {
                    // The receiver has gone: dropping the rest of the call cancels it.
                    () = &mut carrying => return,
                    end = rest => end.map_or_else(
                        |error| ChannelEnd::Failed(Box::new(error.erase())),
                        |()| ChannelEnd::Returned,
                    ),
                },
            };
            bridges.end(end);
            carrying.await;
            drop(host);
        });
    }
}
