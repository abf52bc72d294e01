//! Tasks in scripts, for any interpreter: an interpreter is compiled to a runtime module with this
//! crate, and a packager makes a module of its memory once it has read a script.
//!
//! This crate decodes arguments, checks them against the declared types, and makes the host's calls.
//! An interpreter converts [`Value`]s, finds the tasks of a script and calls them.

mod task;
mod types;
mod value;

#[cfg(target_family = "wasm")]
pub mod allocator;
#[cfg(target_family = "wasm")]
pub mod entry;
#[cfg(target_family = "wasm")]
mod host;
#[cfg(target_family = "wasm")]
mod imports;

pub use task::{Description, Task};
pub use types::{Direction, Field, MAX_SAFE, Records, Type};
pub use value::Value;
pub use wxec_protocol::abi::{Panic, TaskFailure, Wants};
pub use wxec_protocol::cbor;

#[cfg(target_family = "wasm")]
pub use host::{Answer, host, item_type};
