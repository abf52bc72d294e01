//! RustPython with the tasks of a script in it.

#[cfg(target_family = "wasm")]
mod convert;
#[cfg(target_family = "wasm")]
mod interpreter;
#[cfg(target_family = "wasm")]
mod library;

#[cfg(target_family = "wasm")]
wxec_script::runtime!(interpreter::Python);
