//! WASI preview 1 for guests: a clock, random numbers, stdout and stderr. Everything of wasmtime-wasi stays in here.

use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::{Linker, Result};
use wasmtime_wasi::{
    I32Exit, WasiCtxBuilder, async_trait,
    cli::{IsTerminal, StdoutStream},
    p1::{self, WasiP1Ctx},
    p2::{OutputStream, Pollable, StreamResult},
};

use crate::{guest::Guest, output::Stdio};

/// What one `random_get` may ask for: the host makes the bytes before it copies them. 64 MiB is wasmtime's default.
const MAX_RANDOM_BYTES: u64 = 16 << 20;

/// What a stream takes at once. Wasmtime-wasi writes 4 KiB at a time whatever this says.
const MAX_WRITE_BYTES: usize = 64 << 10;

/// Gives guests the imports of `wasi_snapshot_preview1`. They are linked async, so that dropping a call ends them.
pub(crate) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    p1::add_to_linker_async(linker, |guest| &mut guest.wasi)
}

/// A world without arguments, environment, files or network, and with a closed stdin.
pub(crate) fn context(stdio: &Arc<Stdio>) -> WasiP1Ctx {
    WasiCtxBuilder::new()
        .stdout(GuestStream { stdio: stdio.clone(), print: Stdio::stdout })
        .stderr(GuestStream { stdio: stdio.clone(), print: Stdio::stderr })
        .max_random_size(MAX_RANDOM_BYTES)
        .build_p1()
}

/// The code a guest exited with, if that is what ended it.
pub(crate) fn exit_code(error: &wasmtime::Error) -> Option<i32> {
    error.downcast_ref::<I32Exit>().map(|exit| exit.0)
}

/// Stdout or stderr of a guest. Always ready, because [`Stdio`] drops what it may not keep.
#[derive(Clone)]
struct GuestStream {
    stdio: Arc<Stdio>,
    print: fn(&Stdio, &[u8]),
}

impl StdoutStream for GuestStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// Preview 1 asks for [`p2_stream`](Self::p2_stream) only.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::empty())
    }
}

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl OutputStream for GuestStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        (self.print)(&self.stdio, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE_BYTES)
    }
}

#[async_trait]
impl Pollable for GuestStream {
    async fn ready(&mut self) {}
}
