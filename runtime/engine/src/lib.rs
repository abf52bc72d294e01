//! wxec's sandbox, and the only crate that knows wasmtime.
//!
//! A [`Sandbox`] loads artifacts and runs calls. Each call runs in a fresh instance of its module,
//! unless it is a call of a [`Resident`]. A call sees its input, a clock and random numbers, and is
//! held to its limits; the output it prints goes to an [`Output`] while it runs. With the feature
//! `compile`, the function `compile` makes artifacts; the feature `run` brings all else. Compiler
//! and sandbox share one configuration, because wasmtime loads only what was compiled with the very
//! settings it runs with.
//!
//! For a guest, this crate opens only files, runs only programs and connects only to places that
//! the call was granted. It never writes to the stdout or stderr of its own process. Programs that
//! a guest starts get a small part of the agent's environment, such as `PATH`.
//!
//! ```
//! use std::sync::Arc;
//! use wxec_engine::{Output, Request, Sandbox, VerifiedArtifact, compile};
//! use wxec_protocol::{Digest, LogRecord, OutputStream};
//!
//! struct Screen;
//! impl Output for Screen {
//!     fn write(&self, _: OutputStream, bytes: &[u8]) {
//!         print!("{}", String::from_utf8_lossy(bytes));
//!     }
//!     fn log(&self, record: LogRecord<'_>) {
//!         println!("{record}");
//!     }
//! }
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let wasm = wat::parse_str(
//!     r#"(module
//!         (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
//!         (memory (export "memory") 1)
//!         (data (i32.const 8) "\18\2a") ;; 42 in CBOR
//!         (func (export "wx1_answer") (result i32)
//!             (call $output_write (i32.const 8) (i32.const 2))
//!             (i32.const 0)))"#,
//! )?;
//! let sandbox = Sandbox::new()?;
//! let artifact = compile(&wasm, sandbox.target())?;
//! let digest = Digest::of(&artifact);
//!
//! let program = sandbox.load(&VerifiedArtifact::verify(artifact.into(), digest)?).expect("a module that links");
//! let completion = sandbox.run(&program, Request::new("answer", ""), Arc::new(Screen)).await;
//! assert_eq!(completion.outcome.as_deref(), Ok(&[0x18, 42][..]));
//! # Ok(()) }
//! ```

// From the bottom up: a module uses only those above it in this list, but for the last
// three.
// wasmtime hands each host function the data of its store, which is `call::guest::Guest`; so the
// functions of `wasi` and `hostcalls` take a `Guest`, and a `Guest` holds their state.
#[cfg(feature = "run")]
mod sync;
#[cfg(feature = "run")]
mod limits;
mod load;
#[cfg(feature = "run")]
mod wasi;
#[cfg(feature = "run")]
mod hostcalls;
#[cfg(feature = "run")]
mod call;

#[cfg(feature = "compile")]
pub use load::{
    compile::{CompileError, MAX_WASM_BYTES, compile},
    precheck::{Countable, Place},
    proposals::Proposal,
};
#[cfg(feature = "run")]
pub use {
    call::{
        host_services::{Asking, HostServices},
        output::{Output, Room},
        program::Program,
        resident::Resident,
        run::{Command, Completion, Entry, Request},
        sandbox::{EngineError, Sandbox},
    },
    hostcalls::{Duplex, ProcessWatch, ReadWrite},
    load::{
        artifact::{VerifiedArtifact, WrongDigest},
        engine::MAX_RUNNING,
    },
    wasi::{Reader, Writer},
};
