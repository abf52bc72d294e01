//! The stub that `#[remote]` gives a task: the part of `count::on(&host, …)` before a call exists.

pub use wxec_controller::Arguments as CallArguments;
use wxec_controller::{CallTarget, ReturnedStream, Task, TaskCall};
use wxec_protocol::{abi::TaskFailure, cbor::EncodeError};

use crate::abi::types::ReturnValue;

/// The value of a call: a stream if `IS_STREAM`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a task",
    label = "cannot travel back from another host",
    note = "a value must implement `serde::Serialize` and `serde::Deserialize`, and own what is inside"
)]
pub trait Brought<const IS_STREAM: bool>: Sized {
    /// Builds the call of `task`.
    fn task_call<E: Send + 'static>(
        task: Task,
        arguments: Result<CallArguments, EncodeError>,
        decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> TaskCall<Self, E>;
}

#[diagnostic::do_not_recommend]
impl<T: ReturnValue> Brought<false> for T {
    fn task_call<E: Send + 'static>(
        task: Task,
        arguments: Result<CallArguments, EncodeError>,
        decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> TaskCall<T, E> {
        TaskCall::new(task, arguments, decode_error)
    }
}

#[diagnostic::do_not_recommend]
impl<T: ReturnedStream> Brought<true> for T {
    fn task_call<E: Send + 'static>(
        task: Task,
        arguments: Result<CallArguments, EncodeError>,
        decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
    ) -> TaskCall<T, E> {
        TaskCall::streaming(task, arguments, decode_error)
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

/// Describes where a task is compiled. This is a macro because cargo and rustc must answer for the
/// task's crate, where it expands.
#[doc(hidden)]
#[macro_export]
macro_rules! __wxec_origin {
    ($embedded:expr) => {
        $crate::__private::Origin {
            package: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            manifest_dir: env!("CARGO_MANIFEST_DIR"),
            binary: option_env!("CARGO_BIN_NAME"),
            crate_name: env!("CARGO_CRATE_NAME"),
            file: file!(),
            embedded: $embedded,
        }
    };
}
pub use __wxec_origin as origin;
