//! WASI preview 1 for guests. Everything of wasmtime-wasi stays in here.
//!
//! A task has a closed stdin, and stdout and stderr that keep to limits; a program has pipes,
//! arguments and an environment. Both have the files they are granted.

mod listing;
mod places;
mod preview1;
mod record;
mod stdio;
mod texts;
mod world;

use wasmtime::{Caller, Linker, Result};
use wasmtime_wasi::{
    I32Exit,
    p1::{
        types::Errno,
        wasi_snapshot_preview1::{self, WasiSnapshotPreview1},
    },
};
use wiggle::{GuestMemory, GuestPtr};

pub(crate) use wasmtime_wasi::p1::types::Errno as PathError;

pub(crate) use self::places::{NoSpot, Root};
pub use self::stdio::{Reader, Writer};
pub(crate) use self::world::{Opened, Parts, World};
use crate::{call::guest::Guest, hostcalls};

/// Random bytes made at once. wasmtime-wasi makes them before it copies them, which takes a
/// millisecond, and between two such pieces a call can be ended.
const RANDOM_PIECE_BYTES: u32 = 1 << 20;

/// Gives guests the imports of `wasi_snapshot_preview1`. They are linked async, so that dropping a
/// call ends them.
pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    wasi_snapshot_preview1::add_to_linker(linker, Guest::with_wasi)?;
    linker.allow_shadowing(true);
    hostcalls::link_asking_of(
        linker,
        "wasi_snapshot_preview1",
        "random_get",
        |caller, pointer, length| Box::new(random_get(caller, pointer, length)),
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Fills memory with random bytes, piece by piece: a guest may ask for as many as its memory holds.
async fn random_get(mut caller: Caller<'_, Guest>, mut pointer: u32, mut left: u32) -> Result<i32> {
    let (memory, _) = hostcalls::memory(&mut caller)?;
    if u64::from(pointer) + u64::from(left) > memory.len() as u64 {
        return Ok(Errno::Fault as i32);
    }
    loop {
        let piece = left.min(RANDOM_PIECE_BYTES);
        let (memory, guest) = hostcalls::memory(&mut caller)?;
        let filled = guest.with_wasi().random_get(
            &mut GuestMemory::Unshared(memory),
            GuestPtr::new(pointer),
            piece,
        );
        if let Err(error) = filled {
            return Ok(error.downcast()? as i32);
        }
        left -= piece;
        if left == 0 {
            return Ok(Errno::Success as i32);
        }
        pointer += piece;
        tokio::task::yield_now().await;
    }
}

/// Returns the code the guest exited with, if an exit ended it.
pub(crate) fn exit_code(error: &wasmtime::Error) -> Option<i32> {
    error.downcast_ref::<I32Exit>().map(|exit| exit.0)
}
