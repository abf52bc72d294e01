//! Runs a task: the code between its export and the function.

use std::{
    io::{self, Write},
    panic::{self, PanicHookInfo},
};

use bytes::Bytes;
use wxec_protocol::{
    abi::{Panic, Status},
    cbor,
};

use super::{
    channel::{ReturnedStream, Unsent},
    imports, logger,
};
use crate::abi::{
    failure::{self, Describer, MAX_MESSAGE_BYTES, Teller, shorten},
    output::{self, Output, Stop},
    types::ReturnValue,
};

/// Runs `task` on the input of the call, and returns its [`Status`] to the host.
pub fn run(task: fn(Bytes) -> Result<Output, Stop>) -> i32 {
    panic::set_hook(Box::new(report_panic));
    logger::install();
    let status = match task(imports::input().into()) {
        Ok(Output { head, body }) => {
            imports::write_output(&head);
            imports::write_output(&body);
            Status::Ok
        }
        Err(Stop::Failed(failure)) => {
            imports::write_error(&failure::encode(failure));
            Status::Failed
        }
        Err(Stop::BadArguments(text)) => explain(text, Status::BadArguments),
        Err(Stop::Internal(text)) => explain(text, Status::Internal),
    };
    // Flushes a last line without an end: `main` never ran, so std does not flush at exit. If this
    // fails, the output has no reader.
    let _ = io::stdout().flush();
    status as i32
}

/// The value that a task leaves for its caller: a stream if `IS_STREAM`.
pub trait Answer<const IS_STREAM: bool>: Sized {
    /// Encodes the value, or sends all items of the stream.
    fn into_output(self) -> Result<Output, Stop>;
}

#[diagnostic::do_not_recommend]
impl<T: ReturnValue> Answer<false> for T {
    fn into_output(self) -> Result<Output, Stop> {
        output::value(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T: ReturnedStream> Answer<true> for T {
    /// Sends all items. The value of the call itself is `()`.
    fn into_output(self) -> Result<Output, Stop> {
        match self.send_to_caller() {
            Ok(()) => output::value(()),
            Err(Unsent::NoStream) => Err(Stop::BadArguments(
                "it returns a stream, and its caller takes none".into(),
            )),
            Err(Unsent::Broken(reason)) => Err(Stop::Internal(format!(
                "what the task returned cannot be sent: {reason}"
            ))),
        }
    }
}

/// Makes the output of a call from the return value of its task.
pub fn answer<T: Answer<IS_STREAM>, E, const IS_STREAM: bool>(
    result: Result<T, E>,
    describer: Describer<E, impl Teller<E>>,
) -> Result<Output, Stop> {
    result
        .map_err(|error| Stop::Failed(describer.describe(error)))
        .and_then(T::into_output)
}

fn explain(mut text: String, status: Status) -> Status {
    shorten(&mut text, MAX_MESSAGE_BYTES);
    imports::write_error(text.as_bytes());
    status
}

/// Reports a panic to the host. The host tells the caller, so this prints nothing. The abort that
/// follows ends the guest.
fn report_panic(info: &PanicHookInfo<'_>) {
    let mut message = info
        .payload_as_str()
        .unwrap_or("a value that is no text")
        .to_owned();
    shorten(&mut message, MAX_MESSAGE_BYTES);
    let location = info.location();
    let report = Panic {
        message,
        file: location.map(|location| location.file().to_owned()),
        line: location.map_or(0, |location| location.line()),
        column: location.map_or(0, |location| location.column()),
    };
    imports::report_panic(&cbor::encode(&report).expect("texts and numbers always encode"));
}
