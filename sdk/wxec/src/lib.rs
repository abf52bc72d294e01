//! Call Rust functions on other machines. Nothing is installed there, and each call runs in a sandbox of its own.
//!
//! A function marked [`#[remote]`](macro@remote) stays an ordinary function, and gets a companion: `count(text)` runs
//! here, `count::on(&host, text)` on another machine. For that its crate is compiled a second time, to a WebAssembly
//! module, and an agent is started on the host over ssh, or any other pipe, for as long as the host is in use.
//!
//! ```no_run
//! use wxec::{Fleet, Host, remote};
//!
//! /// Counts the words of a text.
//! #[remote]
//! fn count(text: String) -> usize {
//!     text.split_whitespace().count()
//! }
//!
//! #[wxec::main]
//! fn main() -> wxec::Result<()> {
//!     let web1 = Host::new("ssh:web1")?;
//!     println!("{}", count("runs here".into()));
//!     println!("{}", count::on(&web1, "runs there".into()).wait().unwrap());
//!
//!     let fleet = Fleet::new(["web1", "web2"])?;
//!     let outcomes = count::on(&fleet, "runs everywhere".into()).wait()?;
//!     Ok(())
//! }
//! ```

// The output of the macros says `::wxec`, also in this crate's own tests and examples.
extern crate self as wxec;

mod abi;

#[doc(hidden)]
pub mod __private;

#[cfg(target_family = "wasm")]
#[path = "guest/mod.rs"]
mod side;
#[cfg(not(target_family = "wasm"))]
#[path = "native.rs"]
mod side;

pub use bytes::Bytes;
pub use side::*;
/// Makes `fn main` vanish from the module that is compiled from a program.
///
/// Where tasks stand beside `main`, the file is compiled twice: to the program, and to the module that holds its tasks.
/// Nobody calls `main` in the module, and much of what it needs does not compile there, so it is left empty.
/// Other functions for the program alone are marked `#[cfg(not(target_family = "wasm"))]`; a program with many of
/// them is easier to read with its tasks in a library crate.
///
/// ```no_run
/// use wxec::{Host, remote};
///
/// #[remote]
/// fn uptime() -> std::io::Result<String> {
///     std::fs::read_to_string("/proc/uptime")
/// }
///
/// #[wxec::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let host = Host::new("ssh:web1")?;
///     println!("{}", uptime::on(&host).wait().unwrap());
///     Ok(())
/// }
/// ```
///
/// An async `main` needs the attribute of its runtime as well, below this one: `#[wxec::main] #[tokio::main]`.
pub use wxec_macros::main;
/// Makes a function callable on other hosts.
///
/// The function itself stays as it is. Beside it stands a type of the same name, which one `use` brings into scope
/// together with it, with one function `on`: it takes a target, [`Host`] or [`Fleet`], before the function's own
/// parameters, and returns a call.
///
/// ```
/// use wxec::remote;
///
/// /// Adds two numbers.
/// #[remote]
/// pub fn add(a: u32, b: u32) -> u32 {
///     a + b
/// }
///
/// assert_eq!(add(2, 3), 5);
/// ```
///
/// # Parameters
///
/// A parameter is any type that implements serde's `Serialize` and `Deserialize`, or a reference to one, such as
/// `&str`, `&[T]`, `&Path` or `&T`: the caller keeps the value, and the task is lent a copy of it. A `Vec<u8>` travels
/// number by number; use [`Bytes`] or `&[u8]`, which travel as they are. A module's other callers may leave a trailing
/// `Option` away, or pass arguments by name.
///
/// # Values and errors
///
/// What the task returns must implement `Serialize`, `Deserialize` and `Send`. A return type whose name ends in
/// `Result<…>`, like `Result<T, E>`, `anyhow::Result<T>` or `io::Result<T>`, is a value or an error. An alias of another name is
/// a plain value, which then must implement serde's traits as a whole.
///
/// The error arrives as itself if it implements serde's traits. Otherwise its type's name, its message and those of its
/// sources arrive, so that any `std::error::Error`, `anyhow::Error` and even `String` will do. It must be `Send`.
///
/// A panic ends the call, and its message and place arrive with the call's error.
///
/// # Async functions
///
/// A task may be an `async fn`. In its module it is polled until it is ready, with nothing else to do meanwhile and no
/// runtime around it: async code that needs tokio's timers or sockets does not work there.
///
/// # What cannot be a task
///
/// Methods with `self`, functions with generics or `impl Trait`, and functions that take `&mut` or return a borrow
/// are refused by the compiler, because nothing of the kind can travel. As the companion is a type, no other type or
/// module of the task's name may stand beside it, and documentation links to the function as ``[`count()`]``.
pub use wxec_macros::remote;
pub use wxec_protocol::{
    Digest, Frame, Grants, LimitKind, Limits, Need, OutputStream, PathGrant,
    abi::{Exit, Function, Parameter, TaskFailure, Wants},
    cbor,
};
