//! Calls of a script to its host. A script's library has one function for all of them, which takes a
//! name and a list of values, so that an interpreter needs no code for each.

use std::{
    cell::RefCell,
    env,
    fs::{self, OpenOptions},
    io::{self, Write},
};

use wxec_protocol::{Items, abi, cbor, encode_item};

use crate::{Type, Value, imports, types::Direction};

/// Bytes of a channel that are read at once.
const PART_BYTES: usize = 64 << 10;

/// Most bytes that a script reads from a stream at once. Each read allocates as many.
const MAX_READ_BYTES: i128 = 1 << 20;

/// An end of a channel that leads to the caller of the task.
struct Channel {
    stream: i32,
    item: Type,
    items: Items,
}

thread_local! {
    /// The channels of this call; a script names one by its place.
    static CHANNELS: RefCell<Vec<Channel>> = const { RefCell::new(Vec::new()) };
    /// Type of the items that the task returns, if it returns items.
    static RETURNED: RefCell<Option<Type>> = const { RefCell::new(None) };
}

/// Result of a call to the host: a value, or a record of `kind`, `msg` and perhaps `need`.
pub type Answer = Result<Value, Value>;

/// Makes the call `name` to the host.
pub fn host(name: &str, arguments: &[Value]) -> Answer {
    match (name, arguments) {
        ("log", [Value::Int(level), Value::Text(target), Value::Text(message)]) => {
            imports::log_record((*level).clamp(1, 5) as i32, target, message);
            Ok(Value::Null)
        }
        ("cancelled", []) => Ok(Value::Bool(imports::cancelled() != 0)),
        ("print", [Value::Int(stream), bytes]) => print(*stream, bytes),
        ("sleep", [Value::Int(ms)]) => {
            let ms = u64::try_from(*ms).unwrap_or(0);
            std::thread::sleep(std::time::Duration::from_millis(ms));
            Ok(Value::Null)
        }
        ("random", [Value::Int(length)]) => random(*length),
        ("environment", []) => {
            let variables = env::vars_os().map(|(name, value)| {
                let [name, value] = [name, value].map(|text| text.to_string_lossy().into_owned());
                (name.into(), value.into())
            });
            Ok(Value::Map(variables.collect()))
        }
        ("trap", []) => core::arch::wasm32::unreachable(),
        ("encode", [Value::Text(text)]) => Ok(Value::Bytes(text.clone().into_bytes())),
        ("decode", [Value::Bytes(bytes)]) => match str::from_utf8(bytes) {
            Ok(text) => Ok(text.into()),
            Err(why) => Err(error("InvalidData", why.to_string())),
        },

        ("send", [Value::Int(channel), item]) => with_channel(*channel, |channel| {
            let item = channel.item.check(item.clone(), Direction::Out);
            let item = item.map_err(|why| error("InvalidData", format!("an item: {why}")))?;
            send(channel.stream, &item)
        }),
        ("receive", [Value::Int(channel), within]) => with_channel(*channel, |channel| {
            // Any number but an integer that is not negative stands for no limit.
            let within = match within {
                Value::Int(ms) => i64::try_from(*ms).unwrap_or(-1),
                _ => -1,
            };
            receive(channel, within)
        }),
        ("close", [Value::Int(channel)]) => with_channel(*channel, |channel| {
            done(imports::stream_close(channel.stream))
        }),
        ("returned", []) => returned(),

        (name, [Value::Text(path), rest @ ..]) if name.starts_with("file_") => {
            file(name, path, rest)
        }

        ("process_start", [question]) => asked(imports::process_start, question),
        ("stream_select", [question]) => asked(imports::stream_select, question),
        ("net_connect", [question]) => asked(imports::net_connect, question),
        ("net_lookup", [question]) => asked(imports::net_lookup, question),
        ("file_call", [question]) => asked(imports::file_call, question),
        ("host_facts", []) => replied(imports::host_facts()),
        ("host_call", [question, arguments]) => replied(imports::host_call(
            &encoded(question)?,
            &encoded(arguments)?,
        )),
        ("process_wait", [Value::Int(process)]) => {
            replied(imports::process_wait(handle(*process)?))
        }
        ("process_try_wait", [Value::Int(process)]) => {
            replied(imports::process_try_wait(handle(*process)?))
        }
        ("process_kill", [Value::Int(process), Value::Int(signal)]) => {
            done(imports::process_kill(handle(*process)?, handle(*signal)?))
        }
        ("process_forget", [Value::Int(process)]) => {
            done(imports::process_forget(handle(*process)?))
        }
        ("stream_read", [Value::Int(stream), Value::Int(length)]) => {
            let mut buffer = vec![0; (*length).clamp(1, MAX_READ_BYTES) as usize];
            let length = number(imports::stream_read(handle(*stream)?, &mut buffer))?;
            buffer.truncate(length as usize);
            Ok(Value::Bytes(buffer))
        }
        ("stream_write", [Value::Int(stream), Value::Bytes(bytes)]) => {
            let taken = number(imports::stream_write(handle(*stream)?, bytes))?;
            Ok(Value::Int(taken.into()))
        }
        ("stream_timeout", [Value::Int(stream), Value::Int(direction), Value::Int(ms)]) => {
            let ms = i64::try_from(*ms).unwrap_or(-1);
            done(imports::stream_timeout(
                handle(*stream)?,
                handle(*direction)?,
                ms,
            ))
        }
        ("stream_close", [Value::Int(stream)]) => done(imports::stream_close(handle(*stream)?)),
        ("net_shutdown", [Value::Int(stream), Value::Int(how)]) => {
            done(imports::net_shutdown(handle(*stream)?, handle(*how)?))
        }
        _ => {
            let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
            let arguments = arguments.join(", ");
            Err(error(
                "InvalidInput",
                format!("the host has no call `{name}` that takes ({arguments})"),
            ))
        }
    }
}

/// Takes the stream of the call that an argument names, for items of a type. Returns its place among
/// the channels.
pub(crate) fn open_channel(index: &Value, item: &Type) -> Result<Value, String> {
    let index = match index {
        Value::Int(index) => i32::try_from(*index).ok().filter(|index| *index >= 0),
        _ => None,
    };
    let index = index.ok_or("expected the index of a stream")?;
    let stream = number(imports::call_stream(index)).map_err(|error| message(&error))?;
    Ok(add_channel(stream, item.clone()))
}

/// Notes the type of the items that the task returns.
pub(crate) fn set_returned(item: Option<Type>) {
    RETURNED.set(item);
}

/// Returns the text of an error.
fn message(error: &Value) -> String {
    let message = error.get("msg").and_then(Value::as_text);
    message.unwrap_or_default().to_owned()
}

fn add_channel(stream: i32, item: Type) -> Value {
    let channel = Channel {
        stream,
        item,
        items: Items::default(),
    };
    CHANNELS.with_borrow_mut(|channels| {
        channels.push(channel);
        Value::Int(channels.len() as i128 - 1)
    })
}

fn with_channel(place: i128, act: impl FnOnce(&mut Channel) -> Answer) -> Answer {
    CHANNELS.with_borrow_mut(|channels| {
        let channel = usize::try_from(place)
            .ok()
            .and_then(|at| channels.get_mut(at));
        act(channel.ok_or_else(|| error("InvalidInput", "there is no such channel"))?)
    })
}

/// Begins to send the items that a task returns: a null says that its function has returned.
fn returned() -> Answer {
    let item = RETURNED.take();
    let item = item.ok_or_else(|| error("InvalidInput", "the task returns no items"))?;
    let stream = number(imports::call_stream(abi::LAST_STREAM))?;
    send(stream, &Value::Null)?;
    Ok(add_channel(stream, item))
}

fn send(stream: i32, item: &Value) -> Answer {
    let bytes = encode_item(item).map_err(|why| error("InvalidData", format!("an item {why}")))?;
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        rest = &rest[number(imports::stream_write(stream, rest))? as usize..];
    }
    Ok(Value::Null)
}

/// Returns a list of the next item, or an empty one at the end.
fn receive(channel: &mut Channel, within_ms: i64) -> Answer {
    let broken = |why: String| error("InvalidData", why);
    done(imports::stream_timeout(channel.stream, 0, within_ms))?;
    let mut part = Vec::new();
    loop {
        let next = channel.items.next_item();
        if let Some(item) = next.map_err(|why| broken(why.to_string()))? {
            let item = cbor::decode(&item).map_err(|why| broken(format!("an item {why}")))?;
            let item = channel.item.check(item, Direction::In);
            let item = item.map_err(|why| broken(format!("an item: {why}")))?;
            return Ok(Value::List(vec![item]));
        }
        part.resize(PART_BYTES, 0);
        match number(imports::stream_read(channel.stream, &mut part))? {
            0 => {
                let finished = channel.items.finish();
                finished.map_err(|why| broken(why.to_string()))?;
                return Ok(Value::List(Vec::new()));
            }
            length => channel.items.push(&part[..length as usize]),
        }
    }
}

/// Reads or changes files, for languages that have no files of their own.
fn file(name: &str, path: &str, rest: &[Value]) -> Answer {
    let done = match (name, rest) {
        ("file_read", []) => fs::read(path).map(Value::Bytes),
        ("file_write", [content, Value::Bool(append)]) => {
            let content = match content {
                Value::Text(text) => text.as_bytes(),
                Value::Bytes(bytes) => bytes,
                _ => return Err(error("InvalidInput", "only a text or bytes can be written")),
            };
            let options = OpenOptions::new()
                .create(true)
                .write(true)
                .append(*append)
                .truncate(!append)
                .open(path);
            options
                .and_then(|mut file| file.write_all(content))
                .map(|()| Value::Null)
        }
        ("file_list", []) => fs::read_dir(path).and_then(|entries| {
            let names =
                entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned().into()));
            names.collect::<io::Result<_>>().map(Value::List)
        }),
        ("file_mkdir", []) => fs::create_dir_all(path).map(|()| Value::Null),
        ("file_remove", []) => match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => fs::remove_dir(path),
            _ => fs::remove_file(path),
        }
        .map(|()| Value::Null),
        ("file_rename", [Value::Text(to)]) => fs::rename(path, to).map(|()| Value::Null),
        ("file_exists", []) => fs::exists(path).map(Value::Bool),
        _ => {
            return Err(error(
                "InvalidInput",
                format!("the host has no call `{name}`"),
            ));
        }
    };
    done.map_err(|why| error(&format!("{:?}", why.kind()), why.to_string()))
}

/// Returns the type of the items of a channel.
pub fn item_type(channel: &Value) -> Option<Type> {
    let Value::Int(place) = channel else {
        return None;
    };
    let place = usize::try_from(*place).ok()?;
    CHANNELS.with_borrow(|channels| channels.get(place).map(|channel| channel.item.clone()))
}

fn print(stream: i128, bytes: &Value) -> Answer {
    let bytes = match bytes {
        Value::Text(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => return Err(error("InvalidInput", "only a text or bytes can be printed")),
    };
    let written = match stream {
        1 => io::stdout().write_all(bytes),
        _ => io::stderr().write_all(bytes),
    };
    match written {
        Ok(()) => Ok(Value::Null),
        Err(why) => Err(error(&format!("{:?}", why.kind()), why.to_string())),
    }
}

fn random(length: i128) -> Answer {
    let mut bytes = vec![0; length.clamp(0, MAX_READ_BYTES) as usize];
    // SAFETY: the host writes no more than the buffer's length, to its beginning.
    match unsafe { wasi::random_get(bytes.as_mut_ptr(), bytes.len()) } {
        0 => Ok(Value::Bytes(bytes)),
        code => Err(error(
            "Other",
            format!("the host has no random numbers: {code}"),
        )),
    }
}

mod wasi {
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn random_get(bytes: *mut u8, length: usize) -> i32;
    }
}

/// Makes a call with a question.
fn asked(call: fn(&[u8]) -> i32, question: &Value) -> Answer {
    replied(call(&encoded(question)?))
}

fn encoded(question: &Value) -> Result<Vec<u8>, Value> {
    cbor::encode(question).map_err(|why| error("InvalidInput", why.to_string()))
}

/// Returns the number that a call returned, and its reply, as a list of both.
fn replied(returned: i32) -> Answer {
    let returned = number(returned)?;
    let reply = cbor::decode(&imports::reply());
    let reply = reply.map_err(|why| error("InvalidData", why.to_string()))?;
    Ok(Value::List(vec![Value::Int(returned.into()), reply]))
}

/// Checks the number that a call returned, if its reply does not matter.
fn done(returned: i32) -> Answer {
    number(returned).map(|_| Value::Null)
}

fn number(returned: i32) -> Result<i32, Value> {
    if returned >= 0 {
        return Ok(returned);
    }
    let reply = cbor::decode(&imports::reply());
    Err(reply.unwrap_or_else(|why| error("InvalidData", why.to_string())))
}

fn handle(number: i128) -> Result<i32, Value> {
    i32::try_from(number).map_err(|_| error("InvalidInput", format!("{number} is no handle")))
}

fn error(kind: &str, message: impl Into<String>) -> Value {
    Value::record([("kind", kind.into()), ("msg", Value::Text(message.into()))])
}
