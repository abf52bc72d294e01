//! One invocation of a task: typed where a `#[remote]` function stands behind it, by name where it does not.

use std::{
    borrow::Cow,
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use wxec_build::Origin;
use wxec_protocol::{
    CallRequest, Entry, Fault, Grants, LimitKind, Limits, MAX_CALL_STREAMS, Need, Target,
    abi::{TaskFailure, Wants},
    cbor::{self, DecodeError, EncodeError},
};

use crate::{
    artifact::Artifact,
    asks::Asker,
    channel::{Bridges, ChannelEnd, Incoming, Ports, ReturnedStream},
    error::{CallError, CallErrorKind, Phase},
    host::{Host, Operation},
    instance::{Instance, Place},
    module::{Module, ModuleError},
    output::Lines,
    runtime::Background,
    session::{OpenCall, Reply, Session},
    streaming::{self, Conversation},
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
    /// Makes what it declares to need: for a program's own tasks the declaration is the grant.
    pub grants: fn() -> Grants,
}

/// What to call and with what, but not yet where.
pub struct TaskCall<T, E> {
    source: Source,
    function: Cow<'static, str>,
    input: Result<Bytes, EncodeError>,
    /// What the function declares, where that is not granted by itself.
    wants: Wants,
    options: CallOptions,
    /// The instance it is for, if that stays.
    pub(crate) instance: Option<Instance>,
    /// What goes with the arguments and stays in use.
    ports: Ports,
    decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    value: Value<T>,
}

/// How to make a task's value.
pub(crate) enum Value<T> {
    /// It is what the call returns.
    Returned(fn(Bytes) -> Result<T, DecodeError>),
    /// It stands for a stream, and the call goes on.
    Streamed(fn(&Arc<str>) -> (T, Incoming)),
}

impl<T> Copy for Value<T> {}

impl<T> Clone for Value<T> {
    fn clone(&self) -> Self {
        *self
    }
}

/// A task's arguments: a CBOR array, and what goes with it and stays in use.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The CBOR.
    pub input: Vec<u8>,
    /// The ends of channels in it.
    pub ports: Ports,
}

#[derive(Clone)]
pub(crate) enum Source {
    Task(Origin),
    Module(Module),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct CallOptions {
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    pub(crate) seed: Option<u64>,
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

    pub(crate) fn add_grants(&mut self, grants: Grants) {
        let granted = std::mem::take(&mut self.grants);
        self.grants = granted.and(grants);
    }

    /// Whether its code must count its instructions, so that it can be stopped after a number of them.
    pub(crate) fn is_metered(&self) -> bool {
        self.limits.are_metered(self.seed)
    }
}

impl<T: DeserializeOwned + 'static, E> TaskCall<T, E> {
    /// A call of `task`. `decode_error` gives the failure back if the task's error type does not travel.
    pub fn new(
        task: Task,
        arguments: Result<Arguments, EncodeError>,
        decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> Self {
        Self::of_task(task, arguments, decode_error, Value::Returned(cbor::decode_shared))
    }
}

impl<T: ReturnedStream, E> TaskCall<T, E> {
    /// A call of a `task` that returns a stream.
    pub fn streaming(
        task: Task,
        arguments: Result<Arguments, EncodeError>,
        decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> Self {
        Self::of_task(task, arguments, decode_error, Value::Streamed(T::open))
    }
}

impl<T, E> TaskCall<T, E> {
    fn of_task(
        task: Task,
        arguments: Result<Arguments, EncodeError>,
        decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
        value: Value<T>,
    ) -> Self {
        let (input, ports) = match arguments {
            Ok(Arguments { input, ports }) => (Ok(input.into()), ports),
            Err(error) => (Err(error), Ports::default()),
        };
        Self {
            source: Source::Task(task.origin),
            function: task.function.into(),
            input,
            wants: Wants::default(),
            options: CallOptions { grants: (task.grants)(), ..CallOptions::default() },
            instance: None,
            ports,
            decode_error,
            value,
        }
    }
}

impl TaskCall<Bytes, TaskFailure> {
    /// A call for somebody else, who knows the types.
    pub(crate) fn undecoded(module: Module, function: String, input: Bytes, limits: Limits) -> Self {
        let wants = module.function(&function).map(|function| function.wants.clone()).unwrap_or_default();
        Self {
            source: Source::Module(module),
            function: function.into(),
            input: Ok(input),
            wants,
            options: CallOptions { limits, ..CallOptions::default() },
            instance: None,
            ports: Ports::default(),
            decode_error: Ok,
            value: Value::Returned(Ok),
        }
    }
}

impl<T: DeserializeOwned + 'static> TaskCall<T, Infallible> {
    /// A call of a function of `module`, given by its whole path or its path inside the crate.
    pub(crate) fn by_name(module: &Module, function: &str, arguments: &(impl Serialize + ?Sized)) -> Self {
        Self::named(module, function, arguments, Value::Returned(cbor::decode_shared))
    }
}

impl<T> TaskCall<T, Infallible> {
    pub(crate) fn named(
        module: &Module,
        function: &str,
        arguments: &(impl Serialize + ?Sized),
        value: Value<T>,
    ) -> Self {
        let mut ports = Ports::default();
        let input = ports.during(|| cbor::encode(arguments)).map(Bytes::from);
        let described = module.function(function);
        let path = described.map_or(function, |function| &function.path);
        let wants = described.map(|function| function.wants.clone()).unwrap_or_default();
        let grants = if module.is_shipped() { wants.grants() } else { Grants::none() };
        Self {
            source: Source::Module(module.clone()),
            function: path.to_owned().into(),
            input,
            wants,
            options: CallOptions { grants, ..CallOptions::default() },
            instance: None,
            ports,
            decode_error: Err,
            value,
        }
    }
}

impl<T, E> TaskCall<T, E> {
    pub(crate) fn options_mut(&mut self) -> &mut CallOptions {
        &mut self.options
    }

    /// What the function declares and nobody granted.
    fn missing(&self) -> Vec<Need> {
        self.wants.needs().filter(|need| !self.options.grants.covers(need)).collect()
    }

    /// Whether its task sends or receives while it runs.
    pub(crate) fn streams(&self) -> bool {
        !self.ports.is_empty() || matches!(self.value, Value::Streamed(_))
    }

    /// Whether each host of a fleet can be called like this.
    pub(crate) fn is_shared(&self) -> bool {
        self.ports.are_shared()
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
            wants: self.wants.clone(),
            options: self.options.clone(),
            instance: self.instance.clone(),
            ports: self.ports.clone(),
            decode_error: self.decode_error,
            value: self.value,
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
    /// The module, if it has been built.
    fn known(&self) -> Option<Module> {
        match self {
            Self::Task(origin) => Module::known_task(origin),
            Self::Module(module) => Some(module.clone()),
        }
    }

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

    /// Grants the call more than its task declares. What is taken away from it, such as its clock, stays away.
    pub fn grant(mut self, grants: Grants) -> Self {
        self.call.options.add_grants(grants);
        self
    }

    /// Makes the call do the same each time, and use the same [fuel](Limits::fuel): its random numbers follow from `seed`,
    /// which keeps nothing secret, and its clock begins with the year 2020 and goes on by a millisecond whenever it is
    /// read, and as far as the task sleeps, without waiting. The rest of what it is granted may still differ from time to time.
    pub fn deterministic(mut self, seed: u64) -> Self {
        self.call.options.seed = Some(seed);
        self
    }

    /// Says that running the task twice does no harm: if the host is lost on the way, the call is tried once more.
    pub fn idempotent(mut self) -> Self {
        self.call.options.idempotent = true;
        self
    }

    /// Starts the call, for a task that sends and receives meanwhile. Dropping what it returns cancels it.
    ///
    /// ```no_run
    /// # use wxec_controller::{Call, Receiver};
    /// # fn f(call: Call<()>, lines: Receiver<String>) -> wxec_controller::Result<()> {
    /// let call = call.start();
    /// for line in &lines {
    ///     println!("{line}");
    /// }
    /// call.wait()?;
    /// # Ok(()) }
    /// ```
    pub fn start(self) -> Operation<Result<T, CallError<E>>> {
        Operation::new(run(self.host, self.call))
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
    mut call: TaskCall<T, E>,
) -> Result<T, CallError<E>> {
    // Taken from it, so that a channel ends when the task closes it, however long the call goes on.
    let bridges =
        std::mem::take(&mut call.ports).bridges(&host).map_err(|kind| CallError::new(host.shared_name(), kind))?;
    let mut bridges = Some(bridges);
    let result = make(host, call, &mut bridges).await;
    // If they were taken, the call goes on.
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
        return Err(failed(CallErrorKind::Denied { needs: missing, message: String::new() }));
    }
    let input = call.input.map_err(|error| failed(CallErrorKind::Encode(error)))?;
    if call.function.len() > MAX_FUNCTION_BYTES {
        return Err(failed(CallErrorKind::NoSuchFunction { function: call.function.into_owned() }));
    }
    if let Some(instance) = &call.instance {
        instance.check(&call.source, &call.function).await.map_err(failed)?;
    }
    // What an instance kept is lost with its host, so trying again would not be the same.
    check_size(&call.options.grants, call.function.len()).map_err(failed)?;
    let streams = bridges.as_ref().map_or(0, Bridges::count) + usize::from(matches!(call.value, Value::Streamed(_)));
    if streams > MAX_CALL_STREAMS {
        let [limit, asked] = [MAX_CALL_STREAMS, streams].map(|count| count as u64);
        return Err(failed(CallErrorKind::Limit { which: LimitKind::Streams, limit, asked }));
    }
    // What was sent once is not there for a second time.
    let again = call.options.idempotent && call.instance.is_none() && streams == 0;
    let attempts = if again { 2 } else { 1 };
    let function = call.function.into_owned();
    let mut last = CallErrorKind::Cancelled;
    for _ in 0..attempts {
        let (session, artifact, entry) = match (&call.instance, ready(&host, &call.source, &call.options)) {
            (Some(instance), _) => {
                let Place { session, artifact, id } = instance.place().await.map_err(failed)?;
                (session, artifact, Entry::Resident { instance: id, function: function.clone() })
            }
            (None, Some((session, artifact))) => (session, artifact, Entry::Function(function.clone())),
            // Whoever polls us may have no runtime; connecting and building need ours.
            (None, None) => {
                let prepared = prepare(host.clone(), call.source.clone(), call.options.is_metered());
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
        let (asks, serving) = asker(&host, &call.source, &call.options).map(Asker::serve).unzip();
        let lines = Lines::new(name.clone(), host.output());
        let open = match streams {
            0 => session.call(&artifact, request, lines, asks),
            count => {
                let opened = session.call_with_streams(&artifact, request, lines, asks, count).await;
                let (open, mut opened) = opened.map_err(|ended| {
                    failed(CallErrorKind::Lost { reason: ended.to_string(), stderr_tail: String::new() })
                })?;
                let returned = matches!(call.value, Value::Streamed(_)).then(|| opened.pop()).flatten();
                bridges.iter_mut().for_each(|bridges| bridges.start(std::mem::take(&mut opened)));
                if let (Value::Streamed(make), Some(stream)) = (call.value, returned) {
                    let limits = call.options.limits.clone();
                    let call = Conversation { open, limits, serving, host, decode_error: call.decode_error };
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
                let Value::Returned(decode) = call.value else { unreachable!("streams are received elsewhere") };
                return decode(value).map_err(|error| failed(CallErrorKind::Decode(error)));
            }
            Ok(Ok((Err(fault), _))) => return Err(fault_error(name, fault, call.decode_error)),
            Ok(Err(loss)) => CallErrorKind::Lost { reason: loss.reason, stderr_tail: loss.stderr_tail },
            Err(after) => return Err(failed(CallErrorKind::Timeout { after, phase: Phase::Run })),
        };
    }
    Err(failed(last))
}

/// Who makes the calls that the guest asks for, if it was granted any host.
fn asker(host: &Host, source: &Source, options: &CallOptions) -> Option<Asker> {
    if options.grants.host.is_empty() {
        return None;
    }
    let deadline = options.limits.deadline().and_then(|deadline| Instant::now().checked_add(deadline));
    Some(Asker { host: host.clone(), module: source.known()?, deadline })
}

/// What is said of a call beside its input must fit into one frame with the first part of that.
const MAX_TERMS_BYTES: usize = 512 << 10;

/// Refuses a call whose `grants`, and texts of so many `bytes`, are too long to be sent.
pub(crate) fn check_size<E>(grants: &Grants, bytes: usize) -> Result<(), CallErrorKind<E>> {
    let paths = grants.paths.iter().map(|grant| grant.path.len() + grant.guest_path.len());
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

/// The warm path: connected, built, compiled.
fn ready(host: &Host, source: &Source, options: &CallOptions) -> Option<(Session, Artifact)> {
    let session = host.live_session()?;
    let target = match options.is_metered() {
        true => Cow::Owned(Target { metered: true, ..session.target.clone() }),
        false => Cow::Borrowed(&session.target),
    };
    let artifact = source.known()?.ready_artifact(&target)?;
    Some((session, artifact))
}

/// Connects while the module is being built; whichever fails first ends both.
pub(crate) async fn prepare<E: Send + 'static>(
    host: Host,
    source: Source,
    metered: bool,
) -> Result<(Session, Artifact), CallErrorKind<E>> {
    let session = async { host.session().await.map_err(CallErrorKind::Unreachable) };
    let module = async { source.module().await.map_err(CallErrorKind::from_module) };
    let (session, module) = tokio::try_join!(session, module)?;
    let target = Target { metered, ..session.target.clone() };
    let artifact = module.artifact(&target).await.map_err(CallErrorKind::from_module)?;
    Ok((session, artifact))
}

/// The call's reply, or its deadline if no reply came in time.
pub(crate) async fn answer(open: OpenCall, limits: &Limits) -> Result<Reply, Duration> {
    let Some(deadline) = limits.deadline() else {
        return open.returned(None).await.map_err(|_| unreachable!("nothing ends it early"));
    };
    let limit = deadline.saturating_add(ANSWER_GRACE);
    Background::new(async move { open.returned(Some(limit)).await }).await.map_err(|_| deadline)
}

/// What a fault means to a caller that may know the type of the task's error.
pub(crate) fn fault_error<E>(
    host: Arc<str>,
    fault: Fault,
    decode: fn(TaskFailure) -> Result<E, TaskFailure>,
) -> CallError<E> {
    match fault {
        Fault::Task(failure) => task_error(host, &failure, decode),
        // A task that was refused something may return an error of its own; who knows its type gets it.
        Fault::Denied { needs, message, failure: Some(failure) } => {
            let error = task_error(host.clone(), &failure, decode);
            let denied = CallErrorKind::Denied { needs, message };
            if matches!(error.kind, CallErrorKind::Task(_)) { error } else { CallError::new(host, denied) }
        }
        fault => CallError::new(host, CallErrorKind::from_fault(fault)),
    }
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
    ///
    /// What the function declares to need is not granted by that, unless the module is wxec's
    /// [own](Module::shipped): a call that lacks some of it is
    /// [`Denied`](CallErrorKind::Denied) before anything is sent. To grant all of it, look it up:
    /// `module.function(name).map(|function| function.wants.grants())`.
    pub fn call<T>(&self, function: &str, arguments: &(impl Serialize + ?Sized)) -> Call<T, Infallible>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.host.call(TaskCall::by_name(&self.module, function, arguments))
    }

    /// The same for a function that returns a [`Receiver`](crate::Receiver).
    pub fn stream<T>(&self, function: &str, arguments: &(impl Serialize + ?Sized)) -> Call<T, Infallible>
    where
        T: ReturnedStream + Send + 'static,
    {
        self.host.call(TaskCall::named(&self.module, function, arguments, Value::Streamed(T::open)))
    }
}

#[cfg(test)]
mod tests {
    use wxec_protocol::abi::{self, Function};

    use super::*;

    /// A module with the task `hand::upgrade`, which declares `wants`, on a host that is not there.
    fn declaring(wants: Wants) -> Bound {
        let function = Function {
            path: String::new(),
            name: "upgrade".into(),
            doc: String::new(),
            parameters: Vec::new(),
            returns: "()".into(),
            error: None,
            wants,
        };
        let record: String = abi::record("hand", &function).iter().map(|byte| format!("\\{byte:02x}")).collect();
        let task = r#"(func (export "wx1_hand::upgrade") (result i32) (i32.const 0))"#;
        let wasm = wat::parse_str(format!(r#"(module {task} (@custom "{}" "{record}"))"#, abi::SECTION)).unwrap();
        Host::new("ssh:nowhere.invalid").unwrap().bind(&Module::from_bytes("hand", wasm).unwrap())
    }

    fn upgrade() -> Bound {
        declaring(Wants { read: vec!["/etc/apt".into()], run: vec!["apt-get".into()], ..Wants::default() })
    }

    #[test]
    fn what_a_module_declares_is_not_granted_by_that() {
        let error = upgrade().call::<()>("upgrade", &()).wait().unwrap_err();
        let needs = [Need::Read("/etc/apt".into()), Need::Run("apt-get".into())];
        assert!(
            matches!(&error.kind, CallErrorKind::Denied { needs: missing, message } if *missing == needs && message.is_empty()),
            "nothing was connected: {error:?}"
        );
        assert_eq!(
            error.to_string(),
            "nowhere.invalid: not granted: it takes --allow-read=/etc/apt --allow-run=apt-get"
        );
    }

    #[test]
    fn only_what_is_missing_is_named() {
        let missing = |grants| upgrade().call::<()>("hand::upgrade", &()).grant(grants).call.missing();
        assert_eq!(missing(Grants::none().read("/etc")), [Need::Run("apt-get".into())]);
        assert_eq!(missing(Grants::none().run("apt-get").read("/etc/apt")), []);
        assert_eq!(missing(Grants::all()), []);
        assert_eq!(declaring(Wants::default()).call::<()>("upgrade", &()).call.missing(), []);
    }

    #[test]
    fn for_a_programs_own_task_the_declaration_is_the_grant() {
        let origin = Origin {
            package: "own",
            version: "1.0.0",
            manifest_dir: "/",
            binary: None,
            crate_name: "own",
            file: "src/lib.rs",
            embedded: None,
        };
        let task = Task { origin, function: "own::upgrade", grants: || Grants::none().run("apt-get") };
        let call =
            TaskCall::<(), Infallible>::new(task, Ok(Arguments { input: Vec::new(), ports: Ports::default() }), Err);
        assert_eq!(call.missing(), []);
        let call = Host::new("ssh:nowhere.invalid").unwrap().call(call).grant(Grants::none().env("HOME"));
        assert_eq!(call.call.options.grants, Grants::none().run("apt-get").env("HOME"));
    }

    #[test]
    fn only_calls_that_count_instructions_need_code_that_does() {
        let limits = Limits { fuel: Some(1_000_000), ..Limits::default() };
        assert!(!CallOptions::default().is_metered());
        assert!(CallOptions { limits, ..CallOptions::default() }.is_metered());
        assert!(CallOptions { seed: Some(0), ..CallOptions::default() }.is_metered());
    }
}
