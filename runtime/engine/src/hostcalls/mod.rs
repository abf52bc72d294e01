//! The imports of module `wxec_v1`: a guest pulls its input and pushes its output.
//!
//! Every pointer and length comes from the guest and is checked before a byte is touched; a wrong
//! one ends the call. sdk/abi/README.md lists all imports; [`reply`] says how those for capabilities
//! answer. Imports that wait are async, so that dropping a call ends the wait.

mod file;
mod host;
mod linking;
mod net;
mod process;
mod reply;
mod resources;
mod streams;

use std::{ops::Range, sync::atomic::Ordering};

use wasmtime::{Caller, Extern, Linker, Result, format_err};
use wxec_protocol::{
    LogLevel, MAX_FRAME_BYTES,
    abi::{self, Panic},
    cbor,
};

pub(crate) use self::linking::link_asking_of;
use self::linking::{link_plain, link_reading, link_writing};
pub use self::process::ProcessWatch;
pub use self::streams::{Duplex, ReadWrite};
pub(crate) use self::{process::Reaper, resources::Resources};
use crate::call::guest::Guest;

/// Length of the longest error body: it travels in one frame with the fault around it.
const MAX_ERROR_BYTES: u64 = 1 << 20;
const _: () = assert!(MAX_ERROR_BYTES < MAX_FRAME_BYTES as u64);

/// Length of the longest record of a panic: it travels in one frame with its backtrace, and people
/// read the message.
const MAX_PANIC_BYTES: usize = 64 << 10;

/// Gives guests the imports of `wxec_v1`.
pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    link_plain(
        linker,
        [
            ("input_len", input_len),
            ("reply_len", reply::reply_len),
            ("cancelled", cancelled),
            ("host_facts", host::host_facts),
        ],
    )?;
    link_reading(
        linker,
        [
            ("input_read", input_read),
            ("reply_read", reply::reply_read),
        ],
    )?;
    link_writing(
        linker,
        [
            ("output_write", output_write),
            ("error_write", error_write),
            ("panic", panic),
        ],
    )?;
    linker.func_wrap_async(
        abi::IMPORTS,
        "log_record",
        |caller, (level, target, target_length, pointer, length)| {
            Box::new(log_record(
                caller,
                level,
                target,
                target_length,
                pointer,
                length,
            ))
        },
    )?;
    file::link(linker)?;
    host::link(linker)?;
    process::link(linker)?;
    streams::link(linker)?;
    net::link(linker)
}

fn input_len(caller: Caller<'_, Guest>) -> i32 {
    length(caller.data().input.len())
}

/// Returns a length as a guest gets it. No input and no reply is longer than 4 GiB.
fn length(bytes: usize) -> i32 {
    u32::try_from(bytes).unwrap_or(u32::MAX).cast_signed()
}

/// Copies at most `length` bytes of the input, from `offset` on, to `pointer`. Returns the number
/// of bytes copied.
fn input_read(
    mut caller: Caller<'_, Guest>,
    offset: u32,
    pointer: u32,
    length: u32,
) -> Result<u32> {
    let (memory, guest) = memory(&mut caller)?;
    let room = range(memory, pointer, length)?;
    let input = guest.input.get(offset as usize..).unwrap_or_default();
    let input = &input[..input.len().min(room.len())];
    memory[room][..input.len()].copy_from_slice(input);
    Ok(u32::try_from(input.len())?)
}

fn output_write(mut caller: Caller<'_, Guest>, pointer: u32, length: u32) -> Result<()> {
    let (memory, guest) = memory(&mut caller)?;
    let bytes = &memory[range(memory, pointer, length)?];
    Ok(guest.output.append(bytes, guest.output_limit)?)
}

fn error_write(mut caller: Caller<'_, Guest>, pointer: u32, length: u32) -> Result<()> {
    let (memory, guest) = memory(&mut caller)?;
    let bytes = &memory[range(memory, pointer, length)?];
    Ok(guest.error.append(bytes, MAX_ERROR_BYTES)?)
}

/// Takes a record, once there is room for more output. A record of the import `log` has an empty
/// target.
async fn log_record(
    mut caller: Caller<'_, Guest>,
    level: i32,
    target_pointer: u32,
    target_length: u32,
    pointer: u32,
    length: u32,
) -> Result<()> {
    let room = caller.data().stdio.room();
    if let Some(room) = room {
        room.await;
    }
    let (memory, guest) = memory(&mut caller)?;
    let target = &memory[range(memory, target_pointer, target_length)?];
    let message = &memory[range(memory, pointer, length)?];
    guest.stdio.log(LogLevel::nearest(level), target, message);
    Ok(())
}

/// Notes the record of a guest's panic. The guest traps next, and the note explains the trap.
fn panic(mut caller: Caller<'_, Guest>, pointer: u32, length: u32) -> Result<()> {
    let (memory, guest) = memory(&mut caller)?;
    let record = &memory[range(memory, pointer, length)?];
    let unreadable = |why| Panic {
        message: format!("a panic whose record {why}"),
        file: None,
        line: 0,
        column: 0,
    };
    guest.panic = Some(match record {
        long if long.len() > MAX_PANIC_BYTES => unreadable(format!("is {} bytes long", long.len())),
        record => cbor::decode(record)
            .unwrap_or_else(|error| unreadable(format!("cannot be decoded: {error}"))),
    });
    Ok(())
}

/// Returns 1 if the call was cancelled and goes on because it may linger; a call that may not is
/// dropped, and never asks.
fn cancelled(caller: Caller<'_, Guest>) -> i32 {
    let cancelled = caller.data().cancelled.as_ref();
    i32::from(cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Relaxed)))
}

/// Returns the guest's memory, and the host's side of the call.
pub(crate) fn memory<'a>(
    caller: &'a mut Caller<'_, Guest>,
) -> Result<(&'a mut [u8], &'a mut Guest)> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory.data_and_store_mut(caller)),
        _ => Err(format_err!("the module exports no memory named `memory`")),
    }
}

fn range(memory: &[u8], pointer: u32, length: u32) -> Result<Range<usize>> {
    let start = pointer as usize;
    match start.checked_add(length as usize) {
        Some(end) if end <= memory.len() => Ok(start..end),
        _ => Err(format_err!(
            "a host call was given {length} bytes at {pointer:#x}, beyond the end of memory"
        )),
    }
}
