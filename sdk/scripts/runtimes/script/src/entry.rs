//! The entries of a runtime module: one makes an image of an interpreter with a script in it, the
//! other calls a task of that script.
//!
//! A runtime module is not called as such. A packager runs [`IMAGE`](macro@crate::runtime) once, and makes
//! a module of the memory that it returns: there, scripts have been read and their top-level code has
//! run, so that a call costs no start of an interpreter.

use std::{
    cell::RefCell,
    io::{self, Write},
    panic::{self, PanicHookInfo},
};

use wxec_protocol::{
    abi::{Panic, Status, TaskFailure},
    cbor,
};

use crate::{Task, Type, Value, allocator, host, imports, task::Description, types::Direction};

/// A file of a script.
pub type SourceFile = (String, String);

/// An interpreter with a script in it.
pub trait Interpreter {
    /// Reads a script and finds its tasks.
    fn load(files: Vec<SourceFile>) -> Result<(Self, Vec<Description>), Stop>
    where
        Self: Sized;

    /// Calls the task at a place in the list that `load` returned. The argument for a channel is a
    /// number for the calls `send` and `receive` of the host.
    fn call(&self, task: usize, arguments: Vec<(&Type, Value)>) -> Result<Value, Stop>;
}

/// Reason why a script has no value.
#[derive(Debug)]
pub enum Stop {
    /// The script raised an error that its callers know.
    Failed(TaskFailure),
    /// The script raised any other error.
    Panicked(Panic),
    /// The arguments did not fit.
    BadArguments(String),
    /// The library of the script's language failed.
    Internal(String),
}

struct Loaded {
    interpreter: Box<dyn Interpreter>,
    tasks: Vec<Task>,
}

thread_local! {
    static LOADED: RefCell<Option<Loaded>> = const { RefCell::new(None) };
}

/// Writes the entries of a runtime module for an [`Interpreter`].
#[macro_export]
macro_rules! runtime {
    ($interpreter:ty) => {
        #[global_allocator]
        static ALLOCATOR: $crate::allocator::Traceless = $crate::allocator::Traceless;

        /// Loads the script in the input, and returns an image of the module's memory.
        #[unsafe(export_name = "wx1__image")]
        extern "C" fn image() -> i32 {
            $crate::entry::image::<$interpreter>()
        }

        /// Calls the task at a place in the list of tasks.
        #[unsafe(export_name = "wxec_dispatch")]
        extern "C" fn dispatch(task: i32) -> i32 {
            $crate::entry::dispatch(task)
        }
    };
}

/// Loads the script in the input, a list of paths and texts. The output is a byte string: the length
/// of the tasks' records as a `u32`, little endian; the records; and the module's memory from address
/// 0 on.
pub fn image<I: Interpreter + 'static>() -> i32 {
    panic::set_hook(Box::new(report_panic));
    let loaded = cbor::decode(&imports::input())
        .map_err(|why| Stop::BadArguments(why.to_string()))
        .and_then(I::load)
        .and_then(|(interpreter, described)| {
            let tasks = described.into_iter().map(Task::new);
            let tasks = tasks.collect::<Result<Vec<_>, _>>();
            Ok((interpreter, tasks.map_err(Stop::BadArguments)?))
        });
    let (interpreter, tasks) = match loaded {
        Ok(loaded) => loaded,
        Err(stop) => return explain(unloadable(stop)) as i32,
    };
    let mut head = vec![0x5a, 0, 0, 0, 0, 0, 0, 0, 0];
    tasks
        .iter()
        .for_each(|task| head.extend_from_slice(task.record()));
    let records = (head.len() - 9) as u32;
    head[5..9].copy_from_slice(&records.to_le_bytes());
    LOADED.set(Some(Loaded {
        interpreter: Box::new(interpreter),
        tasks,
    }));
    let _ = io::stdout().flush();
    forget_host();
    allocator::loaded();
    // From here on nothing is allocated, so that the memory stays of this size.
    let end = core::arch::wasm32::memory_size(0) << 16;
    let length = (head.len() - 5 + end) as u32;
    head[1..5].copy_from_slice(&length.to_be_bytes());
    imports::write_output(&head);
    imports::write_memory(end);
    Status::Ok as i32
}

/// Makes a complaint about the script of an error of its top-level code. A panic would do, but an
/// interpreter looks for files when it starts, and the host takes the refusal for the reason.
fn unloadable(stop: Stop) -> Stop {
    match stop {
        Stop::Panicked(Panic {
            message,
            file: Some(file),
            line,
            column,
        }) => Stop::BadArguments(format!("{file}:{line}:{column}: {message}")),
        Stop::Panicked(Panic { message, .. }) | Stop::Failed(TaskFailure { message, .. }) => {
            Stop::BadArguments(message)
        }
        stop => stop,
    }
}

/// Makes libc ask for the directories and variables that it has, at the next use: those of a call are
/// others than those of the image.
fn forget_host() {
    unsafe extern "C" {
        fn __wasilibc_reset_preopens();
        fn __wasilibc_deinitialize_environ();
    }
    // SAFETY: there is one thread, and no reference to a variable or a directory of libc.
    unsafe {
        __wasilibc_reset_preopens();
        __wasilibc_deinitialize_environ();
    }
}

/// Calls a task.
pub fn dispatch(task: i32) -> i32 {
    let outcome = LOADED.with_borrow(|loaded| {
        let loaded = loaded.as_ref().expect("the image was made with a script");
        call(loaded, task as usize)
    });
    let status = match outcome {
        Ok(output) => {
            imports::write_output(&output);
            Status::Ok
        }
        Err(stop) => explain(stop),
    };
    // Flushes a last line without an end. If this fails, the output has no reader.
    let _ = io::stdout().flush();
    status as i32
}

fn call(loaded: &Loaded, place: usize) -> Result<Vec<u8>, Stop> {
    let task = loaded.tasks.get(place);
    let task = task.ok_or_else(|| Stop::Internal(format!("there is no task {place}")))?;
    let input = imports::input();
    let arguments = task.arguments(&input).map_err(Stop::BadArguments)?;
    let arguments = arguments.into_iter().map(|(one, value)| match one {
        Type::Sender(item) | Type::Receiver(item) => {
            let channel = host::open_channel(&value, item);
            Ok((one, channel.map_err(Stop::BadArguments)?))
        }
        _ => Ok((one, value)),
    });
    let arguments = arguments.collect::<Result<Vec<_>, Stop>>()?;
    let returned = match task.returns() {
        Type::Receiver(item) => Some(Type::clone(item)),
        _ => None,
    };
    let sends = returned.is_some();
    host::set_returned(returned);
    let value = loaded.interpreter.call(place, arguments)?;
    let value = match sends {
        true => Ok(Value::Null),
        false => task.returns().check(value, Direction::Out),
    };
    let value = value.map_err(|why| Stop::Internal(format!("the value: {why}")))?;
    cbor::encode(&value).map_err(|why| Stop::Internal(format!("the value: {why}")))
}

/// Tells the host why there is no value.
fn explain(stop: Stop) -> Status {
    match stop {
        Stop::Failed(failure) => {
            let failure = cbor::encode(&failure).expect("texts and bytes always encode");
            imports::write_error(&failure);
            Status::Failed
        }
        Stop::BadArguments(text) => {
            imports::write_error(shortened(&text).as_bytes());
            Status::BadArguments
        }
        Stop::Internal(text) => {
            imports::write_error(shortened(&text).as_bytes());
            Status::Internal
        }
        Stop::Panicked(report) => {
            let _ = io::stdout().flush();
            tell_panic(&report);
            core::arch::wasm32::unreachable()
        }
    }
}

/// Longest message of an error: people read it.
const MAX_MESSAGE_BYTES: usize = 16 << 10;

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_MESSAGE_BYTES)]
}

fn tell_panic(report: &Panic) {
    let report = Panic {
        message: shortened(&report.message).to_owned(),
        ..report.clone()
    };
    imports::report_panic(&cbor::encode(&report).expect("texts and numbers always encode"));
}

/// Reports a panic of the interpreter itself. The abort that follows ends the guest.
fn report_panic(info: &PanicHookInfo<'_>) {
    let location = info.location();
    tell_panic(&Panic {
        message: info
            .payload_as_str()
            .unwrap_or("a value that is no text")
            .to_owned(),
        file: location.map(|location| location.file().to_owned()),
        line: location.map_or(0, |location| location.line()),
        column: location.map_or(0, |location| location.column()),
    });
}
