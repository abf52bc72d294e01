//! One invocation of a task: typed where a `#[remote]` function stands behind it, by name where it does not.

use std::{
    borrow::Cow,
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use wxec_build::Origin;
use wxec_protocol::{
    CallRequest, Fault, Limits,
    abi::TaskFailure,
    cbor::{self, DecodeError, EncodeError},
};

use crate::{
    artifact::Artifact,
    error::{CallError, CallErrorKind, Phase},
    host::Host,
    module::{Module, ModuleError},
    output::Lines,
    runtime::Background,
    session::{Reply, Session},
};

/// The agent enforces a call's deadline; this end waits so much longer for its answer to arrive.
const ANSWER_GRACE: Duration = Duration::from_millis(400);

/// A longer name is no function's, and would not fit into a frame.
const MAX_FUNCTION_BYTES: usize = 16 << 10;

/// Where a task runs: a [`Host`] gives a [`Call`], a [`Fleet`](crate::Fleet) a [`FleetCall`](crate::FleetCall).
pub trait CallTarget {
    /// A call on this kind of target.
    type Call<T: Send + 'static, E: Send + 'static>;

    /// Builds a call. `#[remote]` functions do this in their `on`.
    fn call<T: Send + 'static, E: Send + 'static>(&self, call: TaskCall<T, E>) -> Self::Call<T, E>;
}

impl CallTarget for Host {
    type Call<T: Send + 'static, E: Send + 'static> = Call<T, E>;

    fn call<T: Send + 'static, E: Send + 'static>(&self, call: TaskCall<T, E>) -> Call<T, E> {
        Call { host: self.clone(), call }
    }
}

/// Names a task: where it was compiled, and its path there.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// Where the function stands.
    pub origin: Origin,
    /// Its path, such as `words::stats::lengths`.
    pub function: &'static str,
}

/// What to call and with what, but not yet where.
pub struct TaskCall<T, E> {
    source: Source,
    function: Cow<'static, str>,
    input: Result<Bytes, EncodeError>,
    options: CallOptions,
    decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    decode_value: fn(Bytes) -> Result<T, DecodeError>,
}

#[derive(Clone)]
enum Source {
    Task(Origin),
    Module(Module),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct CallOptions {
    pub(crate) limits: Limits,
    pub(crate) idempotent: bool,
}

impl CallOptions {
    pub(crate) fn set_timeout(&mut self, after: Duration) {
        self.limits.deadline_ms = Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    }

    /// Keeps the timeout, unless `limits` has one itself.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        let deadline_ms = limits.deadline_ms.or(self.limits.deadline_ms);
        self.limits = Limits { deadline_ms, ..limits };
    }
}

impl<T: DeserializeOwned + 'static, E> TaskCall<T, E> {
    /// A call of `task`. `input` is a CBOR array of its arguments; `decode_error` gives the failure back if the task's
    /// error type does not travel.
    pub fn new(
        task: Task,
        input: Result<Vec<u8>, EncodeError>,
        decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> Self {
        Self {
            source: Source::Task(task.origin),
            function: task.function.into(),
            input: input.map(Bytes::from),
            options: CallOptions::default(),
            decode_error,
            decode_value: cbor::decode_shared,
        }
    }
}

impl<T, E> TaskCall<T, E> {
    pub(crate) fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }

    /// Builds the module this call needs, so that a fleet does it once and says once if it cannot.
    pub(crate) async fn module(&self) -> Result<Module, ModuleError> {
        self.source.module().await
    }
}

impl<T, E> Clone for TaskCall<T, E> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            function: self.function.clone(),
            input: self.input.clone(),
            options: self.options.clone(),
            decode_error: self.decode_error,
            decode_value: self.decode_value,
        }
    }
}

impl<T, E> fmt::Debug for TaskCall<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskCall")
            .field("function", &self.function)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Source {
    async fn module(&self) -> Result<Module, ModuleError> {
        match self {
            Self::Task(origin) => Module::of_task(origin).await,
            Self::Module(module) => Ok(module.clone()),
        }
    }
}

/// A call on one host. Nothing happens until it is awaited, in any executor, or [waited](Self::wait) for in blocking
/// code. Dropping it under way cancels it on the host.
#[derive(Debug)]
#[must_use = "a call does nothing until it is awaited or waited for"]
pub struct Call<T, E = Infallible> {
    host: Host,
    call: TaskCall<T, E>,
}

impl<T: Send + 'static, E: Send + 'static> Call<T, E> {
    /// Ends the call if it has not returned `after` it was sent. Connecting and building do not count.
    pub fn timeout(mut self, after: Duration) -> Self {
        self.call.options.set_timeout(after);
        self
    }

    /// What the call may use. Keeps a [`timeout`](Self::timeout) set before, unless `limits` has a deadline itself.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.call.options.set_limits(limits);
        self
    }

    /// Says that running the task twice does no harm: if the host is lost on the way, the call is tried once more.
    pub fn idempotent(mut self) -> Self {
        self.call.options.idempotent = true;
        self
    }

    /// Runs the call and blocks until it returns.
    pub fn wait(self) -> Result<T, CallError<E>> {
        pollster::block_on(self.into_future())
    }
}

impl<T: Send + 'static, E: Send + 'static> IntoFuture for Call<T, E> {
    type Output = Result<T, CallError<E>>;
    type IntoFuture = CallFuture<T, E>;

    fn into_future(self) -> CallFuture<T, E> {
        CallFuture(Box::pin(run(self.host, self.call)))
    }
}

/// A call under way. Dropping it cancels the call on the host.
#[must_use = "dropping it cancels the call"]
pub struct CallFuture<T, E = Infallible>(Pin<Box<dyn Future<Output = Result<T, CallError<E>>> + Send>>);

impl<T, E> Future for CallFuture<T, E> {
    type Output = Result<T, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<T, E> fmt::Debug for CallFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallFuture")
    }
}

pub(crate) async fn run<T: Send + 'static, E: Send + 'static>(
    host: Host,
    call: TaskCall<T, E>,
) -> Result<T, CallError<E>> {
    let name = host.shared_name();
    let failed = |kind| CallError::new(name.clone(), kind);
    let input = call.input.map_err(|error| failed(CallErrorKind::Encode(error)))?;
    if call.function.len() > MAX_FUNCTION_BYTES {
        return Err(failed(CallErrorKind::NoSuchFunction { function: call.function.into_owned() }));
    }
    let attempts = if call.options.idempotent { 2 } else { 1 };
    let mut last = CallErrorKind::Cancelled;
    for _ in 0..attempts {
        let (session, artifact) = match ready(&host, &call.source) {
            Some(ready) => ready,
            // Whoever polls us may have no runtime; connecting and building need ours.
            None => Background::new(prepare(host.clone(), call.source.clone())).await.map_err(failed)?,
        };
        let request = CallRequest {
            module: artifact.digest,
            function: call.function.clone().into_owned(),
            limits: call.options.limits.clone(),
            input: input.clone(),
        };
        let open = session.call(&artifact, request, Lines::new(name.clone(), host.output()));
        last = match answer(open, &call.options.limits).await {
            Ok(Ok((Ok(value), _))) => {
                return (call.decode_value)(value).map_err(|error| failed(CallErrorKind::Decode(error)));
            }
            Ok(Ok((Err(Fault::Task(failure)), _))) => return Err(task_error(name, &failure, call.decode_error)),
            Ok(Ok((Err(fault), _))) => return Err(failed(CallErrorKind::from_fault(fault))),
            Ok(Err(loss)) => CallErrorKind::Lost { reason: loss.reason, stderr_tail: loss.stderr_tail },
            Err(after) => return Err(failed(CallErrorKind::Timeout { after, phase: Phase::Run })),
        };
    }
    Err(failed(last))
}

/// The warm path: connected, built, compiled.
fn ready(host: &Host, source: &Source) -> Option<(Session, Artifact)> {
    let session = host.live_session()?;
    let artifact = match source {
        Source::Task(origin) => Module::known_task(origin)?.ready_artifact(&session.target)?,
        Source::Module(module) => module.ready_artifact(&session.target)?,
    };
    Some((session, artifact))
}

/// Connects while the module is being built; whichever fails first ends both.
async fn prepare<E: Send + 'static>(host: Host, source: Source) -> Result<(Session, Artifact), CallErrorKind<E>> {
    let session = async { host.session().await.map_err(CallErrorKind::Unreachable) };
    let module = async { source.module().await.map_err(CallErrorKind::Module) };
    let (session, module) = tokio::try_join!(session, module)?;
    let artifact = module.artifact(&session.target).await.map_err(CallErrorKind::Module)?;
    Ok((session, artifact))
}

/// The call's reply, or its deadline if no reply came in time.
async fn answer(open: crate::session::OpenCall, limits: &Limits) -> Result<Reply, Duration> {
    let Some(deadline) = limits.deadline() else { return Ok(open.returned().await) };
    let timed = Background::new(async move {
        let limit = deadline.saturating_add(ANSWER_GRACE);
        tokio::time::timeout(limit, open.returned()).await
    });
    timed.await.map_err(|_| deadline)
}

fn task_error<E>(host: Arc<str>, failure: &[u8], decode: fn(TaskFailure) -> Result<E, TaskFailure>) -> CallError<E> {
    match cbor::decode(failure) {
        Ok(failure) => CallError::task(host, failure, decode),
        Err(error) => CallError::new(host, CallErrorKind::Decode(error)),
    }
}

/// A module on a host: calls by name, for callers that do not have the task's types.
///
/// ```no_run
/// use wxec_controller::{Host, Module};
///
/// let words = Host::new("web1")?.bind(&Module::from_file("words.wasm")?);
/// let n: usize = words.call("count", &("to be or not to be",)).wait()?;
/// # Ok::<(), wxec_controller::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bound {
    host: Host,
    module: Module,
}

impl Bound {
    pub(crate) fn new(host: Host, module: Module) -> Self {
        Self { host, module }
    }

    /// Calls `function`, given by its whole path or its path inside the crate, with a tuple, list or map of arguments.
    pub fn call<T>(&self, function: &str, arguments: &(impl Serialize + ?Sized)) -> Call<T, Infallible>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let path = self.module.function(function).map_or(function, |function| &function.path);
        let call = TaskCall {
            source: Source::Module(self.module.clone()),
            function: path.to_owned().into(),
            input: cbor::encode(arguments).map(Bytes::from),
            options: CallOptions::default(),
            decode_error: Err,
            decode_value: cbor::decode_shared,
        };
        self.host.call(call)
    }
}
