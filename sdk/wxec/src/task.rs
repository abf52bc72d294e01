//! The stub that `#[remote]` gives a task: what `count::on(&host, …)` does before a call exists.

pub use wxec_controller::Arguments as CallArguments;
use wxec_controller::{CallTarget, ReturnedStream, Task, TaskCall};
use wxec_protocol::{abi::TaskFailure, cbor::EncodeError};

use crate::abi::types::ReturnValue;

/// What a call brings, by whether that is a stream.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a task",
    label = "cannot travel back from another host",
    note = "a value must implement `serde::Serialize` and `serde::Deserialize`, and own what is inside"
)]
pub trait Brought<const IS_STREAM: bool>: Sized {
    /// The call of `task`.
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
pub fn call<W: CallTarget, T: Brought<IS_STREAM> + Send + 'static, E: Send + 'static, const IS_STREAM: bool>(
    target: &W,
    task: Task,
    arguments: Result<CallArguments, EncodeError>,
    decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
) -> W::Call<T, E> {
    target.call(T::task_call(task, arguments, decode_error))
}

/// Where a task is compiled. What it asks of cargo and rustc is answered in the task's crate, as it expands there.
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
