//! A call before it has a host: the function, its arguments and its options.

use std::{borrow::Cow, convert::Infallible, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use ciborium::Value as Item;
use serde::{Serialize, de::DeserializeOwned};
use wxec_build::Origin;
use wxec_protocol::{
    Grants, Limits, Need,
    abi::{Plan, TaskFailure, Wants},
    cbor::{self, DecodeError, EncodeError},
};

use super::{options::CallOptions, stdio};
use crate::{
    call::instance::Instance,
    channel::{Arguments, ChannelEnds, Incoming, ReturnedStream},
    error::ModuleError,
    module::Module,
};

/// No function has a longer name, and a longer one would not fit into a frame.
pub(super) const MAX_FUNCTION_BYTES: usize = 16 << 10;

/// Time for which a plan goes on without its controller, to end the step that it is in: as long as a
/// large transaction of a package manager takes. It keeps a margin to the longest time that there is.
const PLAN_LINGER: Duration = Duration::from_mins(10);

/// Time that a host has to come back after a plan that cuts its own connection: servers with much
/// memory take that long to restart.
const PLAN_RECONNECT: Duration = Duration::from_mins(10);

/// Names a task: the place where it was compiled, and its path there.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// The package and the source file of the function.
    pub origin: Origin,
    /// The function's path, such as `words::stats::lengths`.
    pub function: &'static str,
    /// Makes grants of the needs that the task declares: for a program's own tasks the declaration
    /// is the grant.
    pub grants: fn() -> Grants,
    /// What the order says, if the task is a plan.
    pub plan: Option<Planned>,
}

/// What the order of a plan says about its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// True if the call is a preview, which changes nothing.
    pub preview: bool,
    /// True if the plan keeps a record on its host.
    pub record: bool,
    /// True if the plan may cut its own connection.
    pub cuts_link: bool,
    /// Time that the call may take, unless its caller says otherwise.
    pub timeout: Option<Duration>,
}

/// A function to call and its arguments, but no host yet.
pub struct TaskCall<T, E> {
    pub(super) source: Source,
    pub(super) function: Cow<'static, str>,
    pub(super) input: Result<Bytes, EncodeError>,
    /// The needs that the function declares, where the declaration is not the grant.
    pub(super) wants: Wants,
    pub(super) options: CallOptions,
    /// The instance to call, if it stays on its host.
    pub(crate) instance: Option<Instance>,
    /// The channel ends among the arguments, which stay in use during the call.
    pub(super) ports: ChannelEnds,
    pub(super) decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    pub(super) value: Value<T>,
}

/// The way to make a task's value.
pub(crate) enum Value<T> {
    /// Decodes the value from the result of the call.
    Returned(fn(Bytes) -> Result<T, DecodeError>),
    /// Makes the value at once: it stands for a stream, and the call goes on.
    Streamed(fn(&Arc<str>) -> (T, Incoming)),
}

impl<T> Copy for Value<T> {}

impl<T> Clone for Value<T> {
    fn clone(&self) -> Self {
        *self
    }
}

#[derive(Clone)]
pub(crate) enum Source {
    Task(Origin),
    Module(Module),
}

impl<T: DeserializeOwned + 'static, E> TaskCall<T, E> {
    /// Makes a call of `task`. `decode_error` gives the failure back if the task's error type does
    /// not travel.
    pub fn new(
        task: Task,
        arguments: Result<Arguments, EncodeError>,
        decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> Self {
        Self::of_task(
            task,
            arguments,
            decode_error,
            Value::Returned(cbor::decode_shared),
        )
    }
}

impl<T: ReturnedStream, E> TaskCall<T, E> {
    /// Makes a call of a `task` that returns a stream.
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
            Err(error) => (Err(error), ChannelEnds::default()),
        };
        let mut options = CallOptions::new().grant((task.grants)());
        if let Some(planned) = task.plan {
            options = planned.apply(options, task.function);
        }
        Self {
            source: Source::Task(task.origin),
            function: task.function.into(),
            input,
            wants: Wants::default(),
            options,
            instance: None,
            ports,
            decode_error,
            value,
        }
    }
}

impl TaskCall<Bytes, TaskFailure> {
    /// Makes an untyped call on behalf of a guest, which knows the types.
    pub(crate) fn undecoded(
        module: Module,
        function: String,
        input: Bytes,
        limits: Limits,
    ) -> Self {
        let wants = module
            .function(&function)
            .map(|function| function.wants.clone())
            .unwrap_or_default();
        let decode = if module.argv(&function).is_some() {
            stdio::to_cbor
        } else {
            Ok
        };
        Self {
            source: Source::Module(module),
            function: function.into(),
            input: Ok(input),
            wants,
            options: CallOptions::new().limits(limits),
            instance: None,
            ports: ChannelEnds::default(),
            decode_error: Ok,
            value: Value::Returned(decode),
        }
    }
}

impl<T: DeserializeOwned + 'static> TaskCall<T, Infallible> {
    /// Makes a call of a function of `module`, named by its whole path or its path inside the
    /// crate.
    pub(crate) fn by_name(
        module: &Module,
        function: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Self {
        let path = module.function(function).map(|function| &*function.path);
        let is_program = path.is_some_and(|path| module.argv(path).is_some());
        let decode = if is_program {
            stdio::decode
        } else {
            cbor::decode_shared
        };
        Self::named(module, function, arguments, Value::Returned(decode))
    }
}

impl TaskCall<Bytes, Infallible> {
    /// Makes a call like [`by_name`](TaskCall::by_name), whose arguments and value are encoded.
    pub(crate) fn of_bytes(module: &Module, function: &str, arguments: Bytes) -> Self {
        let ports = ChannelEnds::default();
        Self::encoded(module, function, Ok(arguments), ports, Value::Returned(Ok))
    }
}

impl<T> TaskCall<T, Infallible> {
    pub(crate) fn named(
        module: &Module,
        function: &str,
        arguments: &(impl Serialize + ?Sized),
        value: Value<T>,
    ) -> Self {
        let mut ports = ChannelEnds::default();
        let input = ports
            .during(|| cbor::encode_arguments(arguments))
            .map(Bytes::from);
        Self::encoded(module, function, input, ports, value)
    }

    /// Makes a call whose arguments are encoded; `ports` are the ends of channels among them.
    fn encoded(
        module: &Module,
        function: &str,
        input: Result<Bytes, EncodeError>,
        ports: ChannelEnds,
        value: Value<T>,
    ) -> Self {
        let described = module.function(function);
        let path = described.map_or(function, |function| &function.path);
        let wants = described
            .map(|function| function.wants.clone())
            .unwrap_or_default();
        let grants = if module.is_shipped() {
            wants.grants()
        } else {
            Grants::none()
        };
        let mut options = CallOptions::new().grant(grants);
        let plan = described.and_then(|function| function.plan.as_ref());
        if let (Some(plan), Ok(input)) = (plan, &input) {
            options = Planned::of_order(plan, input).apply(options, path);
        }
        Self {
            source: Source::Module(module.clone()),
            function: path.to_owned().into(),
            input,
            wants,
            options,
            instance: None,
            ports,
            decode_error: Err,
            value,
        }
    }
}

impl Planned {
    /// Reads the arguments of a plan, which are an order. By them the agent enforces what the plan
    /// itself only promises.
    fn of_order(plan: &Plan, input: &[u8]) -> Self {
        let field = |map: &Item, name: &str| {
            let entries = map.as_map()?.iter();
            let mut found = entries.filter(|(key, _)| key.as_text() == Some(name));
            Some(found.next()?.1.clone())
        };
        let arguments = match cbor::decode(input) {
            Ok(Item::Tag(cbor::READABLE_TAG, arguments)) => *arguments,
            Ok(arguments) => arguments,
            // The guest cannot read it either.
            Err(_) => Item::Null,
        };
        let order = match &arguments {
            Item::Array(arguments) => arguments.first().cloned(),
            arguments => field(arguments, "order"),
        };
        let says = |name| order.as_ref().and_then(|order| field(order, name));
        Self {
            preview: says("preview") == Some(Item::Bool(true)),
            record: says("record") != Some(Item::Bool(false)),
            cuts_link: plan.cuts_link,
            timeout: None,
        }
    }

    /// Makes the options of a call those of a plan with this path.
    fn apply(self, mut options: CallOptions, path: &str) -> CallOptions {
        if self.record {
            options = options.grant(Grants::none().record(path));
        }
        options = if self.preview {
            options.preview()
        } else {
            options.linger(PLAN_LINGER)
        };
        if self.cuts_link {
            options = options.reconnect(PLAN_RECONNECT);
        }
        if let Some(timeout) = self.timeout {
            options = options.timeout(timeout);
        }
        options
    }
}

impl<T, E> TaskCall<T, E> {
    /// Returns the same call with other options.
    #[doc(hidden)]
    #[must_use]
    pub fn with_options(mut self, change: impl FnOnce(CallOptions) -> CallOptions) -> Self {
        self.options = change(self.options);
        self
    }

    /// Returns the needs that the function declares and that are not granted.
    pub(super) fn missing(&self) -> Vec<Need> {
        self.wants
            .needs()
            .filter(|need| self.options.lacks(need))
            .collect()
    }

    /// Returns true if its task sends or receives while it runs.
    #[doc(hidden)]
    pub fn streams(&self) -> bool {
        !self.ports.is_empty() || matches!(self.value, Value::Streamed(_))
    }

    /// Returns true if the call may be made twice.
    #[doc(hidden)]
    pub fn is_idempotent(&self) -> bool {
        self.options.is_idempotent()
    }

    /// Returns true if each host of a fleet can be called with these arguments.
    #[doc(hidden)]
    pub fn is_shared(&self) -> bool {
        self.ports.are_shared()
    }

    /// Builds the module that this call needs, so that a fleet builds it once and reports a failure
    /// once.
    #[doc(hidden)]
    pub async fn module(&self) -> Result<Module, ModuleError> {
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
    pub(super) fn known(&self) -> Option<Module> {
        match self {
            Self::Task(origin) => Module::known_task(origin),
            Self::Module(module) => Some(module.clone()),
        }
    }

    pub(super) async fn module(&self) -> Result<Module, ModuleError> {
        match self {
            Self::Task(origin) => Module::of_task(origin).await,
            Self::Module(module) => Ok(module.clone()),
        }
    }
}
