//! Makes modules of scripts in Python and JavaScript.
//!
//! An interpreter is compiled once to a *runtime module* (`runtimes/`). To make a module of a script,
//! the runtime module runs once, in the sandbox, with the script as its input: it reads the files,
//! runs their top-level code, finds the tasks, and returns an *image*, which is the tasks' records
//! and its whole memory. [`module`] puts this memory into the runtime module in place of its own, and
//! adds an export for each task. A call of such a task starts with the script loaded, so that it costs
//! no start of an interpreter.
//!
//! This crate runs no module and knows no host. A caller runs the runtime module's function [`IMAGE`]
//! on [`Script::files`], in any way that it runs modules, and gives the result to [`module`].

mod module;
mod runtime;
mod script;

pub use module::{ModuleError, module};
pub use runtime::{RuntimeError, build};
pub use script::{Language, Script, ScriptError};

/// Name of a runtime module's function that makes an image. Its arguments are files, each a list of
/// a path and a text; its value is the image, as bytes.
pub const IMAGE: &str = "_image";
