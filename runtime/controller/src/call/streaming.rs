//! Calls of tasks that return a stream. The call resolves when its function has returned, and
//! continues in the background as long as the stream does.

use std::{pin::pin, sync::Arc, time::Duration};

use wxec_protocol::{Limits, abi::TaskFailure, cbor::DecodeError};

use crate::{
    base::runtime::{self, Background},
    call::{answer, fault_error},
    channel::{Bridges, ChannelEnd, Incoming},
    error::{CallError, CallErrorKind, Phase},
    host::Host,
    session::{
        OpenCall,
        task_stream::{Broken, TaskStream},
    },
};

/// Time limit for the returned value once its call has returned. The value was sent before, so this
/// is generous.
const FIRST_WITHIN: Duration = Duration::from_secs(60);

/// A call under way.
pub(crate) struct Conversation<E> {
    pub(crate) open: OpenCall,
    pub(crate) limits: Limits,
    /// Makes the calls that the guest asks for.
    pub(crate) serving: Option<Background<()>>,
    pub(crate) host: Host,
    pub(crate) decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
}

impl<E> Conversation<E> {
    /// Waits for the end of the call. Dropping this cancels it.
    async fn end(self) -> Result<(), CallError<E>> {
        let Self {
            open,
            limits,
            serving,
            host,
            decode_error,
        } = self;
        let failed = |kind| Err(CallError::new(host.shared_name(), kind));
        let reply = answer(open, &limits).await;
        if let Some(serving) = serving {
            serving.await;
        }
        match reply {
            Ok(Ok((Ok(_), _))) => Ok(()),
            Ok(Ok((Err(fault), _))) => Err(fault_error(host.shared_name(), fault, decode_error)),
            Ok(Err(loss)) => failed(CallErrorKind::Lost {
                reason: loss.reason,
                stderr_tail: loss.stderr_tail,
            }),
            Err(after) => failed(CallErrorKind::Timeout {
                after,
                phase: Phase::Run,
            }),
        }
    }
}

/// Waits until the function has returned a stream. From then on the call belongs to the receiver of
/// that stream.
pub(crate) async fn receive<T: Send + 'static, E: Send + 'static>(
    call: Conversation<E>,
    mut stream: TaskStream,
    make: fn(&Arc<str>) -> (T, Incoming),
    bridges: &mut Option<Bridges>,
) -> Result<T, CallError<E>> {
    let name = call.host.shared_name();
    let failed = |kind| CallError::new(name.clone(), kind);
    let host = call.host.clone();
    let mut end = Box::pin(call.end());
    // Call messages may arrive before stream data that was sent earlier.
    let mut ended = None;
    let first = {
        let mut first = pin!(stream.next_item());
        tokio::select! {
            biased;
            first = &mut first => first,
            end = &mut end => {
                end?;
                ended = Some(ChannelEnd::Returned);
                // The value was sent before. If the agent has lost it, no message says so: hence
                // the limit.
                let late = |_| Err(Broken::Lost("the call returned, and what it returned did not arrive".into()));
                runtime::timeout(FIRST_WITHIN, first).await.unwrap_or_else(late)
            }
        }
    };
    match first {
        Ok(Some(_)) => {}
        Ok(None) if ended.is_none() => {
            end.await?;
            return Err(failed(CallErrorKind::BadModule(
                "the function returned no stream".into(),
            )));
        }
        Ok(None) => {
            return Err(failed(CallErrorKind::BadModule(
                "the function returned no stream".into(),
            )));
        }
        Err(Broken::Item(reason)) => {
            return Err(failed(CallErrorKind::Decode(DecodeError::Type(reason))));
        }
        Err(Broken::Lost(reason)) => {
            if ended.is_none() {
                end.await?;
            }
            return Err(failed(CallErrorKind::Lost {
                reason,
                stderr_tail: String::new(),
            }));
        }
    }
    let (value, Incoming(bridge)) = make(&name);
    let Some(bridges) = bridges.take() else {
        return Err(failed(CallErrorKind::Agent(
            "a stream without its bridges".into(),
        )));
    };
    let carrying = bridges.carry(bridge, stream);
    runtime::spawn(async move {
        let mut carrying = pin!(carrying);
        if ended.is_none() {
            tokio::select! {
                // The receiver has gone: dropping the rest of the call cancels it.
                () = &mut carrying => return,
                end = end => ended = Some(end.map_or_else(
                    |error| ChannelEnd::Failed(Box::new(error.erase())),
                    |()| ChannelEnd::Returned,
                )),
            }
        }
        bridges.end(ended.unwrap_or(ChannelEnd::Returned));
        carrying.await;
        drop(host);
    });
    Ok(value)
}
