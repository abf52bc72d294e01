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

/// The Rust blocks of README.md and docs, so that they compile.
#[cfg(doctest)]
mod docs {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/channels.md")]
    mod channels {}
    #[doc = include_str!("../../../docs/files.md")]
    mod files {}
    #[doc = include_str!("../../../docs/grants.md")]
    mod grants {}
    #[doc = include_str!("../../../docs/programs.md")]
    mod programs {}
    #[doc = include_str!("../../../docs/tasks.md")]
    mod tasks {}
}

mod abi;

#[doc(hidden)]
pub mod __private;
#[macro_use]
mod names;

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
/// number by number; use [`Bytes`] or `&[u8]`, which travel as they are. A module has 32 bits: a `usize` that is larger on the
/// caller's machine is refused there, so take a `u64` where that may be. A module's other callers may leave a trailing
/// `Option` away, or pass arguments by name.
///
/// # Values and errors
///
/// What the task returns must implement `Serialize`, `Deserialize` and `Send`. A `Result` is a value or an error, by whatever name:
/// `anyhow::Result<T>`, `io::Result<T>`, or an alias of your own.
///
/// The error arrives as itself if it implements serde's traits. Otherwise its type's name, its message and those of its
/// sources arrive, so that any `std::error::Error`, `anyhow::Error` and even `String` will do. It must be `Send`.
///
/// A panic ends the call, and its message and place arrive with the call's error.
///
/// # Declarations
///
/// A task may touch nothing of its host but a clock and random numbers. What else it needs it declares:
///
/// ```
/// use wxec::remote;
///
/// /// How many packages could be upgraded.
/// #[remote(read = ["/etc/apt", "/var/lib/apt"], run = "apt-get")]
/// fn upgradable() -> std::io::Result<usize> {
/// #   Ok(0)
///     // …
/// }
/// ```
///
/// | key | grants |
/// |---|---|
/// | `read = "/etc"` | reading a file, or a directory with all that is in it |
/// | `write = "/srv/app"` | reading and changing it |
/// | `run = "apt-get"` | running a program, given by its name or its path |
/// | `env = "HOME"` | seeing a variable of the agent's environment |
/// | `net = "example.org:443"` | connecting to a place: `NAME`, `NAME:PORT`, `[ADDRESS]:PORT`, `*:PORT` |
/// | `host = "ssh:db1"` | calling tasks on a host, given by its address as seen from the task's own |
/// | `facts` | asking the host for its names, kernel, processors and addresses |
///
/// Beside these, `crate = far` says by which name the crate `wxec` is known, where `Cargo.toml` gives it another one.
///
/// Each but `facts` takes a text or a list of them, and may be repeated; `"*"` is all programs, variables, places or hosts.
/// For a program's own tasks the declaration is the grant, and [`Call::grant`] adds to it. Whoever has only the module
/// decides himself: `wxec inspect` and [`Function::wants`] show what is declared, and a call that was not granted all of
/// it ([`Bound::call`], `wxec call`) is refused before anything is sent.
///
/// To a task, a path that was not granted is an error of WASI's number 76 (`ENOTCAPABLE`), for which Rust has no
/// [`ErrorKind`](std::io::ErrorKind): one that can do without asks for `error.raw_os_error() == Some(76)`. One that gives
/// up ends its call in [`CallErrorKind::Denied`], whose `needs` name what to grant.
///
/// # Async functions
///
/// A task may be an `async fn`. In its module it is polled until it is ready, with nothing else to do meanwhile and no
/// runtime around it: async code that needs tokio's timers or sockets does not work there.
///
/// # Hosts of its own
///
/// A task may call tasks of its module on other hosts, if it was granted their addresses, as it would be called itself:
///
/// ```no_run
/// use wxec::{Host, remote};
///
/// #[remote]
/// fn rows(table: &str) -> u64 {
///     todo!("asks the database on its own machine")
/// }
///
/// /// Runs on a web server, which alone can reach the database.
/// #[remote(host = "ssh:db1")]
/// fn orders() -> wxec::Result<u64> {
///     let db = Host::new("ssh:db1")?;
///     Ok(rows::on(&db, "orders").wait()?)
/// }
///
/// let web1 = Host::new("ssh:web1")?;
/// println!("{}", orders::on(&web1).wait()?);
/// # Ok::<(), wxec::Error>(())
/// ```
///
/// The controller makes that call, over the connection it has: `ssh:db1` is seen from `web1`, and `local:` is `web1`
/// itself. The task called there is granted nothing and ends with the one that called it; its arguments and its value
/// may have a megabyte each. Nobody's password is typed for it.
///
/// # Channels
///
/// A task may send and receive while it runs: a parameter of type [`Sender<T>`](Sender) or [`Receiver<T>`](Receiver) is one
/// end of a [`channel()`], whose other end stays with the caller. Both are bounded, so that whoever sends too fast waits; and
/// when either end is closed or dropped, or the call ends, the other one is told.
///
/// ```no_run
/// use wxec::{Fleet, Receiver, Sender, remote};
///
/// /// Sends what it reads, until nobody receives it.
/// #[remote(read = "/var/log/syslog")]
/// fn lines(sent: Sender<String>) -> std::io::Result<()> {
///     let text = std::fs::read_to_string("/var/log/syslog")?;
///     for line in text.lines() {
///         if sent.send(line.to_owned()).is_err() {
///             break;
///         }
///     }
///     Ok(())
/// }
///
/// let (sent, received) = wxec::channel();
/// let call = lines::on(&Fleet::new(["web1", "web2"])?, sent).start();
/// for (host, line) in received.tagged() {
///     println!("[{host}] {line}");
/// }
/// call.wait()?.into_result()?;
/// # Ok::<(), wxec::Error>(())
/// ```
///
/// [`Call::start`] begins the call while its caller goes on to receive. What the hosts of a fleet send comes out of one
/// receiver; a receiver that is an argument goes to one host only. Such calls have no deadline but one that is asked for, and
/// in async code a receiver is a `Stream` and a sender a `Sink`. Ends of channels may stand inside of other arguments, such as
/// `Vec<Sender<T>>`, up to 16 in one call. They do not travel from a task to another host.
///
/// A task may also return a `Receiver<T>`, by itself or in its `Result`, made of any iterator. The call is done when the
/// function has returned, and its items come then, as fast as they are taken; dropping the receiver ends the task.
///
/// ```
/// use wxec::{Receiver, remote};
///
/// /// Counts for as long as somebody listens.
/// #[remote]
/// fn count(from: u64) -> Receiver<u64> {
///     Receiver::from_iter(from..)
/// }
///
/// assert_eq!(count(3).iter().take(2).collect::<Vec<_>>(), [3, 4]);
/// ```
///
/// # How values travel
///
/// What serde tells apart arrives apart, `Some(None)` and `None` among it, and values may nest [128 levels](cbor::MAX_DEPTH) deep.
/// Between programs that know a type, its form is a compact one; for `wxec call` serde's traits are told that the format
/// [is human-readable](serde::Serializer::is_human_readable), so that addresses and dates are texts there. [`cbor`] describes both
/// for tasks in other languages.
///
/// # What cannot be a task
///
/// Methods and other functions of a type, functions with generics or `impl Trait`, and functions that take `&mut` or return a
/// borrow are refused by the compiler, because nothing of the kind can travel. As the companion is a type, no other type or
/// module of the task's name may stand beside it: give the task another name, or put it into a module of its own. A task may have
/// the name of a crate and use that, as in `fn uuid() -> uuid::Uuid`; elsewhere in the module the crate is `::uuid` then.
/// Documentation links to the function as ``[`count()`]``.
pub use wxec_macros::remote;
pub use wxec_protocol::{
    Digest, Frame, Grants, LimitKind, Limits, LogLevel, LogRecord, Need, PathGrant,
    abi::{Exit, Function, HostError, Parameter, TaskFailure, Wants},
    cbor,
};
