//! The stub that `#[remote]` gives a task: what `count::on(&host, …)` does before a call exists.

pub use wxec_controller::Arguments as CallArguments;
use wxec_controller::{CallTarget, ReturnedStream, Task, TaskCall};
use wxec_protocol::{abi::TaskFailure, cbor::EncodeError};

use crate::abi::types::ReturnValue;

/// Builds the call of `task` on `target`.
pub fn call<W: CallTarget, T: ReturnValue + Send, E: Send + 'static>(
    target: &W,
    task: Task,
    arguments: Result<CallArguments, EncodeError>,
    decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
) -> W::Call<T, E> {
    target.call(TaskCall::new(task, arguments, decode_error))
}

/// Builds the call of a `task` that returns a stream.
pub fn call_stream<W: CallTarget, T: ReturnedStream + Send + 'static, E: Send + 'static>(
    target: &W,
    task: Task,
    arguments: Result<CallArguments, EncodeError>,
    decode_error: fn(TaskFailure) -> Result<E, TaskFailure>,
) -> W::Call<T, E> {
    target.call(TaskCall::streaming(task, arguments, decode_error))
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
