//! Makes a call: checks it, prepares what it needs, sends it, and waits for its answer.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use bytes::Bytes;
use wxec_build::AbsenceReason;
use wxec_protocol::{
    CallRequest, Entry, Fault, Grants, LimitKind, MAX_CALL_STREAMS, Target, Terms,
    abi::TaskFailure, cbor::DecodeError,
};

use super::{
    asks::Asker,
    instance::{Instance, Location},
    options::Retry,
    stdio, streaming,
    task::{MAX_FUNCTION_BYTES, Source, TaskCall, Value},
};
use crate::{
    base::runtime::{self, Background},
    channel::{Bridges, ChannelEnd},
    connect::Ahead,
    error::{CallError, CallErrorKind, Phase, fault_error},
    host::Host,
    module::{artifact::Artifact, compile::build_ahead},
    session::{CallHandle, Reply, Session, output::Lines, task_stream::TaskStream},
};

/// The agent enforces a call's deadline; this end waits this much longer for the answer to arrive.
const ANSWER_GRACE: Duration = Duration::from_millis(400);

/// Time before a host that was lost is tried a second time, and the longest time between two tries: a
/// server takes half a minute or some minutes to restart.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Makes a call on `host`. A call that returns a stream goes on in the background.
pub(crate) async fn run<T: Send + 'static, E: Send + 'static>(
    host: Host,
    mut call: TaskCall<T, E>,
) -> Result<T, CallError<E>> {
    // Takes the ports out of the call, so that a channel ends when the task closes it, however long
    // the call goes on.
    let mut bridges = std::mem::take(&mut call.ports)
        .bridges(host.link())
        .map_err(|kind| CallError::new(host.shared_name(), kind))?;
    match call.value {
        Value::Streamed(open) => streaming::run(host, call, open, bridges).await,
        Value::Returned(decode) => {
            let result = returned(host, call, decode, &mut bridges).await;
            bridges.end(match &result {
                Ok(_) => ChannelEnd::Returned,
                Err(error) => ChannelEnd::Failed(Box::new(error.erase())),
            });
            result
        }
    }
}

/// Makes a call whose value is what its function returns.
async fn returned<T: Send + 'static, E: Send + 'static>(
    host: Host,
    call: TaskCall<T, E>,
    decode: fn(Bytes) -> Result<T, DecodeError>,
    bridges: &mut Bridges,
) -> Result<T, CallError<E>> {
    let streams = bridges.count();
    let call = CheckedCall::new(host, call, streams).await?;
    if let Some((name, argv)) = call.program() {
        let stdout = stdio::returned(call.clone(), name, argv).await?;
        return decode(stdout).map_err(|error| call.failed(CallErrorKind::Decode(error)));
    }
    // No retry for an instance, whose state is lost with its host, or for a call with streams,
    // whose items were sent already.
    let mut retry = call.retry;
    if call.instance.is_some() || streams > 0 {
        retry.left = 0;
    }
    let mut back_until = Instant::now();
    loop {
        let (open, opened) = call.send_until(back_until, streams).await?;
        bridges.start(opened);
        match open.answer().await {
            Ok(value) => {
                return decode(value).map_err(|error| call.failed(CallErrorKind::Decode(error)));
            }
            Err(error) if retry.left > 0 && matches!(error.kind, CallErrorKind::Lost { .. }) => {
                retry.left -= 1;
                back_until = Instant::now() + retry.within;
            }
            Err(error) => return Err(call.explain(error).await),
        }
    }
}

/// A call that has passed all checks that need no host.
pub(super) struct CheckedCall<E> {
    pub(super) host: Host,
    pub(super) source: Source,
    function: Cow<'static, str>,
    pub(super) input: Bytes,
    pub(super) terms: Terms,
    pub(super) retry: Retry,
    instance: Option<Instance>,
    decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
}

impl<E> Clone for CheckedCall<E> {
    fn clone(&self) -> Self {
        Self {
            host: self.host.clone(),
            source: self.source.clone(),
            function: self.function.clone(),
            input: self.input.clone(),
            terms: self.terms.clone(),
            retry: self.retry,
            instance: self.instance.clone(),
            decode_error: self.decode_error,
        }
    }
}

impl<E: Send + 'static> CheckedCall<E> {
    pub(super) async fn new<T>(
        host: Host,
        call: TaskCall<T, E>,
        streams: usize,
    ) -> Result<Self, CallError<E>> {
        Self::check(&host, call, streams)
            .await
            .map_err(|kind| CallError::new(host.shared_name(), kind))
    }

    async fn check<T>(
        host: &Host,
        call: TaskCall<T, E>,
        streams: usize,
    ) -> Result<Self, CallErrorKind<E>> {
        let missing = call.missing();
        if !missing.is_empty() {
            return Err(CallErrorKind::Denied {
                needs: missing,
                message: String::new(),
            });
        }
        let input = call.input.map_err(CallErrorKind::Encode)?;
        if call.function.len() > MAX_FUNCTION_BYTES {
            return Err(CallErrorKind::NoSuchFunction {
                function: call.function.into_owned(),
                hint: None,
            });
        }
        if let Some(instance) = &call.instance {
            instance.check(&call.source, &call.function).await?;
        }
        check_size(call.options.grants(), call.function.len())?;
        check_streams(streams)?;
        Ok(Self {
            host: host.clone(),
            source: call.source,
            function: call.function,
            input,
            retry: call.options.retry(),
            terms: call.options.on(host).into_terms(),
            instance: call.instance,
            decode_error: call.decode_error,
        })
    }

    /// Returns name and arguments of the program that does the task, if one does.
    fn program(&self) -> Option<(String, Vec<String>)> {
        let Source::Module(module) = &self.source else {
            return None;
        };
        let argv = module
            .argv(&self.function)
            .filter(|_| self.instance.is_none())?;
        Some((module.name().to_owned(), argv.to_vec()))
    }

    pub(super) fn failed(&self, kind: CallErrorKind<E>) -> CallError<E> {
        CallError::new(self.host.shared_name(), kind)
    }

    /// Sends the call, with this number of streams. A host that cannot be reached has until `then` to
    /// come back.
    async fn send_until(
        &self,
        then: Instant,
        streams: usize,
    ) -> Result<(SentCall<E>, Vec<TaskStream>), CallError<E>> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.send(streams).await {
                Err(error)
                    if matches!(error.kind, CallErrorKind::Unreachable(_))
                        && Instant::now() + pause < then => {}
                sent => return sent,
            }
            runtime::sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    /// Sends the call, with this number of streams.
    pub(super) async fn send(
        &self,
        streams: usize,
    ) -> Result<(SentCall<E>, Vec<TaskStream>), CallError<E>> {
        let (session, artifact, entry) = self.place().await.map_err(|kind| self.failed(kind))?;
        let request = CallRequest {
            entry,
            terms: self.terms.clone(),
            ..CallRequest::new(artifact.digest, "", self.input.clone())
        };
        let (asks, serving) = self.asker().map(Asker::serve).unzip();
        let lines = Lines::new(self.host.shared_name(), self.host.output());
        let (open, opened) = if streams == 0 {
            (session.call(&artifact, request, lines, asks), Vec::new())
        } else {
            let opening = session.call_with_streams(&artifact, request, lines, asks, streams);
            opening.await.map_err(|ended| {
                self.failed(CallErrorKind::Lost {
                    reason: ended.to_string(),
                    stderr_tail: String::new(),
                })
            })?
        };
        let sent = SentCall {
            open,
            deadline: self.terms.limits.deadline(),
            serving,
            host: self.host.clone(),
            decode_error: self.decode_error,
        };
        Ok((sent, opened))
    }

    /// Returns the session and the artifact to call, and the place to enter it.
    async fn place(&self) -> Result<(Session, Artifact, Entry), CallErrorKind<E>> {
        let function = self.function.clone().into_owned();
        if let Some(instance) = &self.instance {
            let Location {
                session,
                artifact,
                id,
            } = instance.place().await?;
            let entry = Entry::Resident {
                instance: id,
                function,
            };
            return Ok((session, artifact, entry));
        }
        let (session, artifact) = match ready(&self.host, &self.source, self.terms.is_metered()) {
            Some(ready) => ready,
            // The caller's executor may not be tokio's; connecting and building need our runtime.
            None => {
                let metered = self.terms.is_metered();
                let prepared = prepare(self.host.clone(), self.source.clone(), metered);
                Background::new(prepared).await?
            }
        };
        Ok((session, artifact, Entry::Function(function)))
    }

    /// Returns what makes the calls that the guest asks for, if it was granted any host.
    fn asker(&self) -> Option<Asker> {
        if self.terms.grants.host.is_empty() {
            return None;
        }
        let deadline = self.terms.limits.deadline();
        Some(Asker {
            host: self.host.clone(),
            module: self.source.known()?,
            deadline: deadline.and_then(|deadline| Instant::now().checked_add(deadline)),
        })
    }

    /// Adds the reason to an error that says that the function is missing.
    pub(super) async fn explain(&self, mut error: CallError<E>) -> CallError<E> {
        if let CallErrorKind::NoSuchFunction { hint, .. } = &mut error.kind {
            *hint = absence(&self.source, self.function.clone().into_owned()).await;
        }
        error
    }
}

/// A call under way. Dropping it cancels the call.
pub(super) struct SentCall<E> {
    open: CallHandle,
    deadline: Option<Duration>,
    /// Makes the calls that the guest asks for.
    serving: Option<Background<()>>,
    host: Host,
    decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
}

impl<E> SentCall<E> {
    /// Waits for the answer.
    pub(super) async fn answer(self) -> Result<Bytes, CallError<E>> {
        let name = self.host.shared_name();
        let reply = answer(self.open, self.deadline).await;
        if let Some(serving) = self.serving {
            serving.await;
        }
        match outcome(reply) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(fault)) => Err(fault_error(name, fault, self.decode_error)),
            Err(kind) => Err(CallError::new(name, kind)),
        }
    }
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
    if all <= MAX_TERMS_BYTES {
        return Ok(());
    }
    Err(CallErrorKind::BadArguments(format!(
        "what the call is given beside its input takes {all} bytes, more than the {MAX_TERMS_BYTES} allowed"
    )))
}

fn check_streams<E>(streams: usize) -> Result<(), CallErrorKind<E>> {
    if streams <= MAX_CALL_STREAMS {
        return Ok(());
    }
    let [limit, asked] = [MAX_CALL_STREAMS, streams].map(|count| count as u64);
    Err(CallErrorKind::Limit {
        which: LimitKind::Streams,
        limit,
        asked,
    })
}

/// Returns session and artifact at once if the host is connected and the module built and compiled.
fn ready(host: &Host, source: &Source, metered: bool) -> Option<(Session, Artifact)> {
    let session = host.live_session()?;
    let target = if metered {
        Cow::Owned(Target {
            metered: true,
            ..Target::clone(&session.target)
        })
    } else {
        Cow::Borrowed(&*session.target)
    };
    let artifact = source.known()?.ready_artifact(&target)?;
    Some((session, artifact))
}

/// Connects while the module is being built; the first failure ends both. The artifact may leave
/// before the agent has greeted. A new machine builds the compiler meanwhile.
pub(crate) async fn prepare<E: Send + 'static>(
    host: Host,
    source: Source,
    metered: bool,
) -> Result<(Session, Artifact), CallErrorKind<E>> {
    build_ahead();
    let ahead = Ahead::default();
    let session = async {
        let session = host.session_with(&ahead).await;
        session.map_err(CallErrorKind::Unreachable)
    };
    let module = async {
        let module = source.module().await?;
        // Agents load what comes before its call as if that were an ordinary one.
        if !metered && host.live_session().is_none() {
            ahead.look(host.link().address(), &module).await;
        }
        Ok::<_, CallErrorKind<E>>(module)
    };
    let (session, module) = tokio::try_join!(session, module)?;
    let target = Target {
        metered,
        ..Target::clone(&session.target)
    };
    let artifact = module
        .artifact(&target)
        .await
        .map_err(CallErrorKind::from)?;
    Ok((session, artifact))
}

/// Returns what the agent answered, or the reason why there is no answer.
pub(crate) fn outcome<E>(
    reply: Result<Reply, Duration>,
) -> Result<Result<Bytes, Fault>, CallErrorKind<E>> {
    match reply {
        Ok(Ok((outcome, _))) => Ok(outcome),
        Ok(Err(loss)) => Err(CallErrorKind::Lost {
            reason: loss.reason,
            stderr_tail: loss.stderr_tail,
        }),
        Err(after) => Err(CallErrorKind::Timeout {
            after,
            phase: Phase::Run,
        }),
    }
}

/// Returns the call's reply, or its deadline if no reply came in time.
pub(crate) async fn answer(
    open: CallHandle,
    deadline: Option<Duration>,
) -> Result<Reply, Duration> {
    let Some(deadline) = deadline else {
        return open
            .returned(None)
            .await
            .map_err(|_| unreachable!("nothing ends it early"));
    };
    let limit = deadline.saturating_add(ANSWER_GRACE);
    open.returned(Some(limit)).await.map_err(|_| deadline)
}
