//! Calls of a task on other hosts, with the interface of the controlling side. The controller makes
//! them for the guest.

mod error;

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use serde::de::DeserializeOwned;
use wxec_protocol::{
    CallError, CallErrorKind, Grants, MAX_ADDRESS_BYTES,
    abi::{self, HostCall, TaskFailure},
    cbor::{self, EncodeError},
};

use self::error::refused;
pub use self::error::{AddressError, Error, Result};
use super::{channel::ReturnedStream, imports};
use crate::abi::types::ReturnValue;

/// A place to run calls, as seen from where this task runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    address: Arc<str>,
}

impl Host {
    /// Makes the host at an address. This checks only the length of the address; the first call
    /// shows if it is valid.
    pub fn new(address: impl AsRef<str>) -> Result<Self, AddressError> {
        let address = address.as_ref();
        match address.len() {
            1..=MAX_ADDRESS_BYTES => Ok(Self {
                address: address.into(),
            }),
            length => Err(AddressError {
                address: String::new(),
                reason: format!("it has {length} bytes"),
            }),
        }
    }

    /// Returns its name for messages.
    pub fn name(&self) -> &str {
        match &*self.address {
            "local:" => "local",
            address => address.strip_prefix("ssh:").unwrap_or(address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A target of calls.
pub trait CallTarget {
    /// A call on this kind of target.
    type Call<T: Send + 'static, E: Send + 'static>;

    /// Builds a call. `#[remote]` functions do this in their `on`.
    fn call<T: Send + 'static, E: Send + 'static>(&self, call: TaskCall<T, E>) -> Self::Call<T, E>;
}

impl CallTarget for Host {
    type Call<T: Send + 'static, E: Send + 'static> = Call<T, E>;

    fn call<T: Send + 'static, E: Send + 'static>(&self, call: TaskCall<T, E>) -> Call<T, E> {
        Call {
            host: self.clone(),
            timeout: None,
            call,
        }
    }
}

/// Names a task.
#[derive(Debug)]
pub struct Task {
    /// The origin of the task: it was compiled with this one.
    pub origin: (),
    /// Its path, such as `words::stats::lengths`.
    pub function: &'static str,
    /// Returns the grants that the task declares to need; a task that another one calls gets none
    /// of them.
    pub grants: fn() -> Grants,
    /// Not used here: a guest that calls a task on another host grants it nothing.
    pub plan: Option<Planned>,
}

/// What the order of a plan says about its call.
#[derive(Debug)]
pub struct Planned {
    /// True if the call is a preview.
    pub preview: bool,
    /// True if the plan keeps a record on its host.
    pub record: bool,
    /// True if the plan may cut its own connection.
    pub cuts_link: bool,
    /// Time that the call may take.
    pub timeout: Option<Duration>,
}

/// Expands to `()`: a task that a module calls was compiled with the module.
#[doc(hidden)]
#[macro_export]
macro_rules! __wxec_origin {
    ($embedded:expr) => {
        ()
    };
}
pub use __wxec_origin as origin;

/// The task to call and its arguments, without the host.
#[derive(Debug)]
pub struct TaskCall<T, E> {
    function: &'static str,
    input: Result<Vec<u8>, EncodeError>,
    decode_value: fn(Vec<u8>) -> Result<T, cbor::DecodeError>,
    decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
}

/// The value of a call: a stream if `IS_STREAM`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a task",
    label = "cannot travel back from another host",
    note = "a value must implement `serde::Serialize` and `serde::Deserialize`, and own what is inside"
)]
pub trait Brought<const IS_STREAM: bool>: Sized {
    /// Builds the call of `task`.
    fn task_call<E>(
        task: Task,
        arguments: Result<CallArguments, EncodeError>,
        decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> TaskCall<Self, E>;
}

#[diagnostic::do_not_recommend]
impl<T: ReturnValue> Brought<false> for T {
    fn task_call<E>(
        task: Task,
        arguments: Result<CallArguments, EncodeError>,
        decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> TaskCall<T, E> {
        TaskCall {
            function: task.function,
            input: arguments,
            decode_value: decode::<T>,
            decode_error,
        }
    }
}

/// Makes a call that fails: no stream leads from one host to another.
#[diagnostic::do_not_recommend]
impl<T: ReturnedStream> Brought<true> for T {
    fn task_call<E>(
        task: Task,
        _: Result<CallArguments, EncodeError>,
        decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> TaskCall<T, E> {
        let input = Err(EncodeError::new(
            "what this task returns would be a stream from another host to a task",
        ));
        let decode_value = |_| unreachable!("it is never called");
        TaskCall {
            function: task.function,
            input,
            decode_value,
            decode_error,
        }
    }
}

/// Builds the call of `task` on `target`.
pub fn call<
    W: CallTarget,
    T: Brought<IS_STREAM> + Send + 'static,
    E: Send + 'static,
    const IS_STREAM: bool,
>(
    target: &W,
    task: Task,
    arguments: Result<CallArguments, EncodeError>,
    decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
) -> W::Call<T, E> {
    target.call(T::task_call(task, arguments, decode_error))
}

/// The encoded arguments of a task.
pub type CallArguments = Vec<u8>;

/// Ends of channels among the arguments. There are none, as they do not travel from a task.
#[derive(Debug, Default)]
pub struct ChannelEnds(());

impl ChannelEnds {
    /// Runs `encode`.
    pub fn during<R>(&mut self, encode: impl FnOnce() -> R) -> R {
        encode()
    }

    /// Returns the arguments, as there are no ends of channels to add.
    pub fn beside(self, input: Vec<u8>) -> CallArguments {
        input
    }
}

fn decode<T: DeserializeOwned + 'static>(value: Vec<u8>) -> Result<T, cbor::DecodeError> {
    cbor::decode_shared(value.into())
}

/// A call on one host. Nothing happens until it is awaited or [waited](Self::wait) for.
#[derive(Debug)]
#[must_use = "a call does nothing until it is awaited or waited for"]
pub struct Call<T, E = Infallible> {
    host: Host,
    timeout: Option<Duration>,
    call: TaskCall<T, E>,
}

impl<T, E> Call<T, E> {
    /// Ends the call if it has not returned `after` it was sent. The time to connect does not
    /// count.
    pub fn timeout(mut self, after: Duration) -> Self {
        self.timeout = Some(after);
        self
    }

    /// Runs the call and blocks until it returns.
    pub fn wait(self) -> Result<T, CallError<E>> {
        let Self {
            host,
            timeout,
            call,
        } = self;
        let failed = |kind| CallError::new(host.name().into(), kind);
        let input = call
            .input
            .map_err(|error| failed(CallErrorKind::Encode(error)))?;
        let question = HostCall {
            address: host.address.to_string(),
            function: call.function.to_owned(),
            timeout_ms: timeout.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        };
        let question = cbor::encode(&question).expect("texts and numbers always encode");
        let number = imports::host_call(&question, &input);
        let reply = imports::reply();
        match number {
            abi::CALL_RETURNED => {
                (call.decode_value)(reply).map_err(|error| failed(CallErrorKind::Decode(error)))
            }
            abi::CALL_FAILED => Err(match cbor::decode(&reply) {
                Ok(kind) => CallError::new(host.name().into(), kind).decode_task(call.decode_error),
                Err(error) => failed(CallErrorKind::Decode(error)),
            }),
            _ => Err(match cbor::decode(&reply) {
                Ok(error) => failed(refused(error, input.len())),
                Err(error) => failed(CallErrorKind::Decode(error)),
            }),
        }
    }
}

impl<T, E> IntoFuture for Call<T, E> {
    type Output = Result<T, CallError<E>>;
    type IntoFuture = CallFuture<T, E>;

    fn into_future(self) -> CallFuture<T, E> {
        CallFuture(Some(self))
    }
}

/// The future of a call. The first poll makes the call and blocks until it returns, as a guest has
/// one thread.
#[derive(Debug)]
#[must_use = "a call does nothing until it is awaited"]
pub struct CallFuture<T, E = Infallible>(Option<Call<T, E>>);

impl<T, E> Future for CallFuture<T, E> {
    type Output = Result<T, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self
            .0
            .take()
            .expect("a future that is ready is not polled again");
        Poll::Ready(call.wait())
    }
}

/// Nothing in it is pinned.
impl<T, E> Unpin for CallFuture<T, E> {}
