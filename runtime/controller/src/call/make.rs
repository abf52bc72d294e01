//! Makes a call: prepares what it needs, sends it, and waits for its answer.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use wxec_build::AbsenceReason;
use wxec_protocol::{
    CallRequest, Entry, Fault, Grants, LimitKind, Limits, MAX_CALL_STREAMS, Target,
    abi::TaskFailure, cbor,
};

use super::task::{CallOptions, MAX_FUNCTION_BYTES, Source, TaskCall, Value};
use crate::{
    base::runtime::{self, Background},
    call::{
        asks::Asker,
        instance::Place,
        streaming::{self, Conversation},
    },
    channel::{Bridges, ChannelEnd},
    error::{CallError, CallErrorKind, Phase},
    host::Host,
    module::artifact::Artifact,
    session::{OpenCall, Reply, Session, output::Lines},
};

/// The agent enforces a call's deadline; this end waits this much longer for the answer to arrive.
const ANSWER_GRACE: Duration = Duration::from_millis(400);

pub(crate) async fn run<T: Send + 'static, E: Send + 'static>(
    host: Host,
    mut call: TaskCall<T, E>,
) -> Result<T, CallError<E>> {
    // Takes the ports out of the call, so that a channel ends when the task closes it, however long
    // the call goes on.
    let bridges = std::mem::take(&mut call.ports)
        .bridges(host.link())
        .map_err(|kind| CallError::new(host.shared_name(), kind))?;
    let mut bridges = Some(bridges);
    let result = make(host, call, &mut bridges).await;
    // If `make` took the bridges, the call goes on behind a returned stream.
    if let Some(bridges) = bridges {
        bridges.end(match &result {
            Ok(_) => ChannelEnd::Returned,
            Err(error) => ChannelEnd::Failed(Box::new(error.erased())),
        });
    }
    result
}

async fn make<T: Send + 'static, E: Send + 'static>(
    host: Host,
    call: TaskCall<T, E>,
    bridges: &mut Option<Bridges>,
) -> Result<T, CallError<E>> {
    let name = host.shared_name();
    let failed = |kind| CallError::new(name.clone(), kind);
    let missing = call.missing();
    if !missing.is_empty() {
        return Err(failed(CallErrorKind::Denied {
            needs: missing,
            message: String::new(),
        }));
    }
    let input = call
        .input
        .map_err(|error| failed(CallErrorKind::Encode(error)))?;
    if call.function.len() > MAX_FUNCTION_BYTES {
        return Err(failed(CallErrorKind::NoSuchFunction {
            function: call.function.into_owned(),
        }));
    }
    if let Some(instance) = &call.instance {
        instance
            .check(&call.source, &call.function)
            .await
            .map_err(failed)?;
    }
    check_size(&call.options.grants, call.function.len()).map_err(failed)?;
    let streams = bridges.as_ref().map_or(0, Bridges::count)
        + usize::from(matches!(call.value, Value::Streamed(_)));
    if streams > MAX_CALL_STREAMS {
        let [limit, asked] = [MAX_CALL_STREAMS, streams].map(|count| count as u64);
        return Err(failed(CallErrorKind::Limit {
            which: LimitKind::Streams,
            limit,
            asked,
        }));
    }
    // No retry for an instance, whose state is lost with its host, or for a call with streams,
    // whose items were sent already.
    let again = call.options.idempotent && call.instance.is_none() && streams == 0;
    let attempts = if again { 2 } else { 1 };
    let function = call.function.into_owned();
    let mut last = CallErrorKind::Cancelled;
    for _ in 0..attempts {
        let (session, artifact, entry) =
            match (&call.instance, ready(&host, &call.source, &call.options)) {
                (Some(instance), _) => {
                    let Place {
                        session,
                        artifact,
                        id,
                    } = instance.place().await.map_err(failed)?;
                    (
                        session,
                        artifact,
                        Entry::Resident {
                            instance: id,
                            function: function.clone(),
                        },
                    )
                }
                (None, Some((session, artifact))) => {
                    (session, artifact, Entry::Function(function.clone()))
                }
                // The caller's executor may not be tokio's; connecting and building need our runtime.
                (None, None) => {
                    let prepared =
                        prepare(host.clone(), call.source.clone(), call.options.is_metered());
                    let (session, artifact) = Background::new(prepared).await.map_err(failed)?;
                    (session, artifact, Entry::Function(function.clone()))
                }
            };
        let request = CallRequest {
            limits: call.options.limits.clone(),
            grants: call.options.grants.clone(),
            seed: call.options.seed,
            entry,
            ..CallRequest::new(artifact.digest, "", input.clone())
        };
        let (asks, serving) = asker(&host, &call.source, &call.options)
            .map(Asker::serve)
            .unzip();
        let lines = Lines::new(name.clone(), host.output());
        let open = match streams {
            0 => session.call(&artifact, request, lines, asks),
            count => {
                let opened = session
                    .call_with_streams(&artifact, request, lines, asks, count)
                    .await;
                let (open, mut opened) = opened.map_err(|ended| {
                    failed(CallErrorKind::Lost {
                        reason: ended.to_string(),
                        stderr_tail: String::new(),
                    })
                })?;
                let returned = matches!(call.value, Value::Streamed(_))
                    .then(|| opened.pop())
                    .flatten();
                bridges
                    .iter_mut()
                    .for_each(|bridges| bridges.start(std::mem::take(&mut opened)));
                if let (Value::Streamed(make), Some(stream)) = (call.value, returned) {
                    let limits = call.options.limits.clone();
                    let call = Conversation {
                        open,
                        limits,
                        serving,
                        host,
                        decode_error: call.decode_error,
                    };
                    return streaming::receive(call, stream, make, bridges).await;
                }
                open
            }
        };
        let reply = answer(open, &call.options.limits).await;
        if let Some(serving) = serving {
            serving.await;
        }
        last = match reply {
            Ok(Ok((Ok(value), _))) => {
                let Value::Returned(decode) = call.value else {
                    unreachable!("streams are received elsewhere")
                };
                return decode(value).map_err(|error| failed(CallErrorKind::Decode(error)));
            }
            Ok(Ok((Err(fault), _))) => {
                let error = fault_error(name, fault, call.decode_error);
                return Err(match error.kind {
                    CallErrorKind::NoSuchFunction { .. } => {
                        error.because(absence(&call.source, function).await)
                    }
                    _ => error,
                });
            }
            Ok(Err(loss)) => CallErrorKind::Lost {
                reason: loss.reason,
                stderr_tail: loss.stderr_tail,
            },
            Err(after) => {
                return Err(failed(CallErrorKind::Timeout {
                    after,
                    phase: Phase::Run,
                }));
            }
        };
    }
    Err(failed(last))
}

/// Returns why the called module does not have the function, if the sources of its package tell.
async fn absence(source: &Source, function: String) -> Option<String> {
    let module = source.known()?;
    let absent = runtime::blocking(move || module.why_absent(&function)).await?;
    let advice = match (source, &absent.reason) {
        // The program may have features that a module built for it now does not have.
        (Source::Task(_), AbsenceReason::Features(_)) => {
            "; a module has the program's features if build.rs calls `wxec_build::embed()`"
        }
        _ => "",
    };
    Some(format!("{absent}{advice}"))
}

/// Returns what makes the calls that the guest asks for, if it was granted any host.
fn asker(host: &Host, source: &Source, options: &CallOptions) -> Option<Asker> {
    if options.grants.host.is_empty() {
        return None;
    }
    let deadline = options
        .limits
        .deadline()
        .and_then(|deadline| Instant::now().checked_add(deadline));
    Some(Asker {
        host: host.clone(),
        module: source.known()?,
        deadline,
    })
}

/// The parts of a call beside its input must fit into one frame with the first part of the input.
const MAX_TERMS_BYTES: usize = 512 << 10;

/// Refuses a call whose `grants`, with `bytes` of other texts, are too long to be sent.
pub(crate) fn check_size<E>(grants: &Grants, bytes: usize) -> Result<(), CallErrorKind<E>> {
    let paths = grants
        .paths
        .iter()
        .map(|grant| grant.path.len() + grant.guest_path.len());
    let lists = [&grants.run, &grants.env, &grants.net, &grants.host];
    let others = lists.into_iter().flatten().map(String::len);
    let all = bytes + paths.chain(others).sum::<usize>();
    match all > MAX_TERMS_BYTES {
        true => Err(CallErrorKind::BadArguments(format!(
            "what the call is given beside its input takes {all} bytes, more than the {MAX_TERMS_BYTES} allowed"
        ))),
        false => Ok(()),
    }
}

/// Returns session and artifact at once if the host is connected and the module built and compiled.
fn ready(host: &Host, source: &Source, options: &CallOptions) -> Option<(Session, Artifact)> {
    let session = host.live_session()?;
    let target = match options.is_metered() {
        true => Cow::Owned(Target {
            metered: true,
            ..session.target.clone()
        }),
        false => Cow::Borrowed(&session.target),
    };
    let artifact = source.known()?.ready_artifact(&target)?;
    Some((session, artifact))
}

/// Connects while the module is being built; the first failure ends both.
pub(crate) async fn prepare<E: Send + 'static>(
    host: Host,
    source: Source,
    metered: bool,
) -> Result<(Session, Artifact), CallErrorKind<E>> {
    let session = async { host.session().await.map_err(CallErrorKind::Unreachable) };
    let module = async { source.module().await.map_err(CallErrorKind::from_module) };
    let (session, module) = tokio::try_join!(session, module)?;
    let target = Target {
        metered,
        ..session.target.clone()
    };
    let artifact = module
        .artifact(&target)
        .await
        .map_err(CallErrorKind::from_module)?;
    Ok((session, artifact))
}

/// Returns the call's reply, or its deadline if no reply came in time.
pub(crate) async fn answer(open: OpenCall, limits: &Limits) -> Result<Reply, Duration> {
    let Some(deadline) = limits.deadline() else {
        return open
            .returned(None)
            .await
            .map_err(|_| unreachable!("nothing ends it early"));
    };
    let limit = deadline.saturating_add(ANSWER_GRACE);
    Background::new(async move { open.returned(Some(limit)).await })
        .await
        .map_err(|_| deadline)
}

/// Turns a fault into an error, for a caller that may know the type of the task's error.
pub(crate) fn fault_error<E>(
    host: Arc<str>,
    fault: Fault,
    decode: fn(TaskFailure) -> Result<E, TaskFailure>,
) -> CallError<E> {
    match fault {
        Fault::Task(failure) => task_error(host, &failure, decode),
        // A task that was refused something may return its own error; a caller that knows its type
        // gets it.
        Fault::Denied {
            needs,
            message,
            failure: Some(failure),
        } => {
            let error = task_error(host.clone(), &failure, decode);
            let denied = CallErrorKind::Denied { needs, message };
            if matches!(error.kind, CallErrorKind::Task(_)) {
                error
            } else {
                CallError::new(host, denied)
            }
        }
        fault => CallError::new(host, CallErrorKind::from_fault(fault)),
    }
}

fn task_error<E>(
    host: Arc<str>,
    failure: &[u8],
    decode: fn(TaskFailure) -> Result<E, TaskFailure>,
) -> CallError<E> {
    match cbor::decode(failure) {
        Ok(failure) => CallError::task(host, failure, decode),
        Err(error) => CallError::new(host, CallErrorKind::Decode(error)),
    }
}
