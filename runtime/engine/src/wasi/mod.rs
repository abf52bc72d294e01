//! WASI preview 1 for guests. Everything of wasmtime-wasi stays in here.
//!
//! A task has a closed stdin, and stdout and stderr that keep to limits; a program has pipes,
//! arguments and an environment. Both have the files they are granted.

mod listing;
mod places;
mod preview1;
mod stdio;
mod texts;

use std::{ffi::OsString, os::unix::ffi::OsStringExt, sync::Arc};

use serde_bytes::ByteBuf;
use wasmtime::{Caller, Linker, Result};
use wasmtime_wasi::{
    I32Exit, WasiCtxBuilder,
    p1::{
        WasiP1Ctx,
        types::Errno,
        wasi_snapshot_preview1::{self, WasiSnapshotPreview1},
    },
};
use wiggle::{GuestMemory, GuestPtr};
use wxec_protocol::{ANY, Terms};

use self::stdio::{Pipe, TaskOutput};
pub use self::stdio::{Reader, Writer};
pub(crate) use self::{listing::Listing, places::Places, stdio::Stdin, texts::Given};
use crate::{
    call::determinism::{self, Clock},
    call::guest::Guest,
    call::output::Stdio,
    call::run::Command,
    hostcalls,
};

/// Random bytes made at once. wasmtime-wasi makes them before it copies them, which takes a
/// millisecond, and between two such pieces a call can be ended.
const RANDOM_PIECE_BYTES: u32 = 1 << 20;

/// Gives guests the imports of `wasi_snapshot_preview1`. They are linked async, so that dropping a
/// call ends them.
pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    wasi_snapshot_preview1::add_to_linker(linker, |guest| guest)?;
    linker.allow_shadowing(true);
    linker.func_wrap_async(
        "wasi_snapshot_preview1",
        "random_get",
        |caller, (pointer, length)| Box::new(random_get(caller, pointer, length)),
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Fills memory with random bytes, piece by piece: a guest may ask for as many as its memory holds.
async fn random_get(mut caller: Caller<'_, Guest>, mut pointer: u32, mut left: u32) -> Result<u32> {
    let (memory, _) = hostcalls::memory(&mut caller)?;
    if u64::from(pointer) + u64::from(left) > memory.len() as u64 {
        return Ok(Errno::Fault as u32);
    }
    loop {
        let piece = left.min(RANDOM_PIECE_BYTES);
        let (memory, guest) = hostcalls::memory(&mut caller)?;
        let filled = guest.random_get(
            &mut GuestMemory::Unshared(memory),
            GuestPtr::new(pointer),
            piece,
        );
        if let Err(error) = filled {
            return Ok(error.downcast()? as u32);
        }
        left -= piece;
        if left == 0 {
            return Ok(Errno::Success as u32);
        }
        pointer += piece;
        tokio::task::yield_now().await;
    }
}

/// The WASI context of one guest, before its stdio is known.
pub(crate) struct World {
    builder: WasiCtxBuilder,
    pub(crate) places: Places,
    /// Granted variables of this host's environment.
    environment: Vec<(ByteBuf, ByteBuf)>,
    /// The clock of a call with a seed.
    pub(crate) clock: Option<Clock>,
}

impl World {
    /// Creates a world with nothing in it.
    pub(crate) fn empty() -> Self {
        let mut builder = WasiCtxBuilder::new();
        builder.max_random_size(RANDOM_PIECE_BYTES.into());
        Self {
            builder,
            places: Places::default(),
            environment: Vec::new(),
            clock: None,
        }
    }

    /// Creates a world with the granted part of this host's environment, and of its files if the
    /// guest can ask for any. With a seed, random numbers and time are made up.
    pub(crate) async fn new(terms: &Terms, uses_files: bool) -> Self {
        let grants = &terms.grants;
        let Self {
            mut builder,
            places,
            ..
        } = Self::empty();
        let clock = terms
            .seed
            .map(|seed| determinism::configure(&mut builder, seed));
        let environment = granted_environment(&grants.env);
        if !uses_files {
            return Self {
                builder,
                places,
                environment,
                clock,
            };
        }
        if grants.paths.is_empty() {
            let places = Places::open(&mut builder, &[]);
            return Self {
                builder,
                places,
                environment,
                clock,
            };
        }
        // Open files on a thread that may block: disks may be slow or remote.
        let paths = grants.paths.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let places = Places::open(&mut builder, &paths);
            Self {
                builder,
                places,
                environment,
                clock,
            }
        });
        opened
            .await
            .unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
    }

    /// Completes the world of a task.
    pub(crate) fn task(mut self, stdio: &Arc<Stdio>) -> (WasiP1Ctx, Places, Given) {
        let mut given = Given::default();
        given.add_variables(&self.environment);
        self.builder
            .stdout(TaskOutput {
                stdio: stdio.clone(),
                print: Stdio::stdout,
            })
            .stderr(TaskOutput {
                stdio: stdio.clone(),
                print: Stdio::stderr,
            });
        (self.builder.build_p1(), self.places, given)
    }

    /// Completes the world of a program.
    pub(crate) fn program(mut self, command: Command) -> (WasiP1Ctx, Places, Given) {
        let Command {
            arguments,
            environment,
            stdin,
            stdout,
            stderr,
        } = command;
        // Variables set by the caller go before granted ones; libraries take the first of a name.
        self.environment
            .retain(|(name, _)| !environment.iter().any(|(given, _)| given == name));
        let mut given = Given::default();
        arguments
            .iter()
            .for_each(|argument| given.arguments.push(&[argument]));
        given.add_variables(&environment);
        given.add_variables(&self.environment);
        self.builder
            .stdin(Pipe::new(stdin))
            .stdout(Pipe::new(stdout))
            .stderr(Pipe::new(stderr));
        (self.builder.build_p1(), self.places, given)
    }
}

fn granted_environment(names: &[String]) -> Vec<(ByteBuf, ByteBuf)> {
    let bytes = |text: OsString| ByteBuf::from(text.into_vec());
    if names.iter().any(|name| name == ANY) {
        return std::env::vars_os()
            .map(|(name, value)| (bytes(name), bytes(value)))
            .collect();
    }
    names
        .iter()
        .filter_map(|name| Some((bytes(name.into()), bytes(std::env::var_os(name)?))))
        .collect()
}

/// Returns the code the guest exited with, if an exit ended it.
pub(crate) fn exit_code(error: &wasmtime::Error) -> Option<i32> {
    error.downcast_ref::<I32Exit>().map(|exit| exit.0)
}
