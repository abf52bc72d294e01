//! QuickJS with the tasks of a script in it.

pub mod jsdoc;

#[cfg(target_family = "wasm")]
mod convert;
#[cfg(target_family = "wasm")]
mod interpreter;

#[cfg(target_family = "wasm")]
wxec_script::runtime!(interpreter::JavaScript);
