//! Call Rust functions on other machines. Nothing is installed there, and each call runs in a
//! sandbox of its own.
//!
//! A function marked [`#[remote]`](macro@remote) stays an ordinary function, and gets a companion:
//! `count(text)` runs here, `count::on(&host, text)` on another machine. For this, wxec compiles
//! the crate a second time, to a WebAssembly module, and starts an agent on the host, over ssh or
//! any other pipe. The agent runs as long as the host is in use.
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
//!     let outcomes = count::on(&fleet, "runs everywhere".into()).wait();
//!     Ok(())
//! }
//! ```

// The macros expand to paths that begin with `::wxec`, also in this crate's own tests and examples.
extern crate self as wxec;

/// Runs the Rust blocks of README.md and docs/ as doctests.
#[cfg(doctest)]
mod docs {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/channels.md")]
    mod channels {}
    #[doc = include_str!("../../../docs/files.md")]
    mod files {}
    #[doc = include_str!("../../../docs/fleets.md")]
    mod fleets {}
    #[doc = include_str!("../../../docs/grants.md")]
    mod grants {}
    #[doc = include_str!("../../../docs/inventory.md")]
    mod inventory {}
    #[doc = include_str!("../../../docs/languages.md")]
    mod languages {}
    #[doc = include_str!("../../../docs/programs.md")]
    mod programs {}
    #[doc = include_str!("../../../docs/tasks.md")]
    mod tasks {}
}

mod abi;
mod file;

#[doc(hidden)]
pub mod __private;
// The two sides of a call have the same public names. What only the controlling side has is listed
// in `controlling!` below: the controlling side re-exports it, and a module has stand-ins for it. A
// program with tasks beside its `main` imports such names, and these imports must resolve in its
// module as well, where no code uses them.
#[cfg(target_family = "wasm")]
#[macro_use]
#[path = "guest/mod.rs"]
mod side;
#[cfg(not(target_family = "wasm"))]
#[macro_use]
#[path = "native.rs"]
mod side;

pub use bytes::Bytes;
pub use side::{Call, Error, Host, Receiver, Result, Sender, channel, fs, here, net, process};
/// Leaves `fn main` empty in the module that is compiled from a program.
///
/// A file that has tasks beside `main` is compiled twice: to the program, and to the module that
/// holds its tasks. Nothing calls `main` in the module, and much of the code that `main` needs does
/// not compile there, so the attribute empties it. Mark other functions that only the program needs
/// with `#[cfg(not(target_family = "wasm"))]`; a program with many of them is easier to read with
/// its tasks in a library crate.
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
/// An async `main` needs the attribute of its runtime as well, below this one:
/// `#[wxec::main] #[tokio::main]`.
pub use wxec_macros::main;
/// Makes a function callable on other hosts.
///
/// The function itself stays as it is. The attribute adds a type of the same name, which has one
/// function, `on`: it takes a target, a [`Host`] or a [`Fleet`], before the function's own
/// parameters, and returns a call. One `use` brings both the function and the type into scope.
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
/// A parameter has any type that implements serde's `Serialize` and `Deserialize`, or is a
/// reference to one, such as `&str`, `&[T]`, `&Path` or `&T`: the caller keeps the value, and the
/// task borrows a copy of it. A `Vec<u8>` travels number by number; use [`Bytes`] or `&[u8]`, which
/// travel as they are. A module has 32 bits: it refuses a larger `usize` of its caller, so take a
/// `u64` where that may happen. Other callers of a module may omit a trailing `Option`, or pass
/// arguments by name.
///
/// # Values and errors
///
/// The return value must implement `Serialize`, `Deserialize` and `Send`. A `Result` is a value or
/// an error, under any name: `anyhow::Result<T>`, `io::Result<T>`, or an alias of your own.
///
/// An error arrives as itself if it implements serde's traits. Otherwise the name of its type, its
/// message and the messages of its sources arrive, so that any `std::error::Error`, `anyhow::Error`
/// and even `String` will do. The error must be `Send`.
///
/// A panic ends the call, and its message and place arrive with the call's error.
///
/// # Declarations
///
/// A task may use only a clock and random numbers of its host. It declares everything else that it
/// needs:
///
/// ```
/// use wxec::remote;
///
/// /// Counts the packages that could be upgraded.
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
/// | `run = "apt-get"` | running a program, given by its name or its path, perhaps with its first arguments: `"systemctl restart nginx"` |
/// | `env = "HOME"` | seeing a variable of the agent's environment |
/// | `net = "example.org:443"` | connecting to a place: `NAME`, `NAME:PORT`, `[ADDRESS]:PORT`, `*:PORT` |
/// | `host = "ssh:db1"` | calling tasks on a host, given by its address as seen from the task's own |
/// | `facts` | asking the host for its names, kernel, processors and addresses |
/// | `ask = "packages units users"` | asking the host about these topics, which fixed commands answer |
/// | `attributes` | changing mode and owner of the files that it may change |
///
/// The key `crate = far` gives the name of the crate `wxec`, for a `Cargo.toml` that renames it.
///
/// Each key except the last two takes a text or a list of texts, and may be repeated; `"*"` means all
/// programs, variables, places or hosts. For a program's own tasks the declaration is the grant,
/// and [`Call::grant`] adds to it. A caller who has only the module decides what to grant:
/// `wxec inspect` and [`Function::wants`](module::Function::wants) show the declaration, and a call
/// without all of these grants ([`Bound::call`](call::Bound::call), `wxec call`) is refused before
/// anything is sent.
///
/// A task that uses a path without a grant gets WASI's error number 76 (`ENOTCAPABLE`), for which
/// Rust has no [`ErrorKind`](std::io::ErrorKind). A task that can do without the path checks for
/// `error.raw_os_error() == Some(76)`. A task that gives up ends its call with
/// [`CallErrorKind::Denied`], whose `needs` name the missing grants.
///
/// # Async functions
///
/// A task may be an `async fn`. The module polls it until it is ready, does nothing else meanwhile,
/// and has no runtime: async code that needs tokio's timers or sockets does not work there.
///
/// # Hosts of its own
///
/// A task may call tasks of its module on other hosts, if it was granted their addresses. Such a
/// call looks like any other:
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
/// The controller makes this call, over its connection to `web1`: `ssh:db1` is the address as seen
/// from `web1`, and `local:` is `web1` itself. The called task is granted nothing and ends with the
/// task that called it; its arguments and its value may have a megabyte each. For such hosts, wxec
/// enters no passwords and asks the user for none.
///
/// # Channels
///
/// A task may send and receive while it runs: a parameter of type [`Sender<T>`](Sender) or
/// [`Receiver<T>`](Receiver) is one end of a [`channel()`], whose other end stays with the caller.
/// Channels are bounded: a sender that is too fast waits. When one end is closed or dropped, or the
/// call ends, the other end learns of it.
///
/// ```no_run
/// use wxec::{Fleet, Receiver, Sender, remote};
///
/// /// Sends the lines of a file, until the receiver is gone.
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
/// call.wait().into_result()?;
/// # Ok::<(), wxec::Error>(())
/// ```
///
/// [`Call::start`] begins the call and lets its caller go on to receive. The items of all hosts of
/// a fleet come out of one receiver; a receiver that is an argument goes to one host only. Calls
/// with channels have a deadline only if the caller sets one. In async code a receiver is a
/// `Stream` and a sender a `Sink`. Other arguments may contain ends of channels, such as
/// `Vec<Sender<T>>`, up to 16 in one call. Ends of channels do not travel from a task to another
/// host.
///
/// A task may also return a `Receiver<T>`, made of any iterator, by itself or in its `Result`. The
/// call is done when the function has returned. The items come after that, as fast as the caller
/// takes them; dropping the receiver ends the task.
///
/// ```
/// use wxec::{Receiver, remote};
///
/// /// Counts until the receiver is gone.
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
/// Values that serde distinguishes stay distinct, such as `Some(None)` and `None`, and values may
/// nest [128 levels](cbor::MAX_DEPTH) deep. Programs that know a type use a compact form. For
/// `wxec call`, serde's traits are told that the format
/// [is human-readable](serde::Serializer::is_human_readable), so that addresses and dates are texts
/// there. [`cbor`] describes both forms for tasks in other languages.
///
/// # What cannot be a task
///
/// The compiler refuses methods and other functions of a type, functions with generics or
/// `impl Trait`, and functions that take `&mut` or return a borrow, because none of these can
/// travel. The companion is a type, so the task's module may have no other type or module of the
/// task's name: give the task another name, or put it into a module of its own. A task may have the
/// name of a crate that it uses, as in `fn uuid() -> uuid::Uuid`; elsewhere in the same module, the
/// crate is then `::uuid`. In documentation, ``[`count()`]`` links to the function.
pub use wxec_macros::remote;
pub use wxec_protocol::{CallError, CallErrorKind, Grants, Limits, cbor};

controlling! {
    wxec_controller {
        types: CallOptions Module;
        functions: ;
        constants: ;
    }
    wxec_fleet {
        types: Fleet;
        functions: ;
        constants: ;
    }
}

/// Addresses of hosts: one way in, or a chain of them.
pub mod address {
    pub use crate::side::AddressError;

    controlling! {
        wxec_controller {
            types: Address ContainerEngine Hop SshAddress;
            functions: ;
            constants: MAX_HOPS;
        }
    }
}

/// Builds on this machine: of modules, agents and the compiler, and their progress.
pub mod build {
    controlling! {
        wxec_build {
            types: AgentImage BuildError Check CheckStatus Progress ProgressEvent Quiet StderrProgress
                Work;
            functions: cache_directory checks end_builds is_shipped supervise_builds;
            constants: ;
        }
        wxec_controller {
            types: ;
            functions: set_progress;
            constants: ;
        }
    }
}

/// Calls of tasks: their targets, their failures, and calls by name.
pub mod call {
    pub use wxec_protocol::{
        Frame, LimitKind, Need, PathGrant, Phase, Unreachable, abi::TaskFailure,
    };

    pub use crate::side::{CallFuture, CallTarget};

    controlling! {
        wxec_controller {
            types: Bound Instance Operation Value;
            functions: to_json;
            constants: ;
        }
    }
}

/// Ends of channels, and the reasons why they end. [`channel()`](crate::channel()) makes one.
pub mod channel {
    pub use crate::side::{ChannelEnd, RecvError, SendError};

    controlling! {
        wxec_controller {
            types: Tagged;
            functions: ;
            constants: ;
        }
    }
}

/// Programs on a host: its own commands, and WASI programs in the sandbox.
pub mod command {
    pub use wxec_protocol::abi::Exit;

    controlling! {
        wxec_controller {
            types: Attach Child ChildRemote ChildStdin ChildStdout Command CommandFailed CommandOutput
                ExitStatus Program ProgramOutput WindowSize;
            functions: ;
            constants: ;
        }
    }
}

/// Work on many hosts at once, and its outcomes.
pub mod fleet {
    controlling! {
        wxec_fleet {
            types: Amount Batches BlockingIter Ending Event EventKind FleetCall FleetError FleetRun
                FleetWork Order Outcome Outcomes Rules RulesError Schedule StopReason Stopped Verdict;
            functions: fold_names;
            constants: FLEET_TIMEOUT;
        }
    }
}

/// Records of runs on many hosts: what was done, when, and how it went.
pub mod history {
    controlling! {
        wxec_fleet::record {
            types: HostPhase HostRecord LiveItem LiveLine LiveStep RecordError RunFolder RunHeader RunRecord RunRecorder RunWork
                Span;
            functions: user_and_machine;
            constants: SCHEMA;
        }
    }
}

/// Options for reaching hosts, and reports on them.
pub mod host {
    controlling! {
        wxec_controller {
            types: ConnectOptions Description Password Report Stats Step;
            functions: explain;
            constants: SSH_CONFIG_VARIABLE;
        }
    }
}

/// Hosts by their names, and the targets that select some of them.
pub mod inventory {
    controlling! {
        wxec_fleet::inventory {
            types: Connecting Inventory InventoryError InventoryHost Layer Problem Selection Setting
                TargetError;
            functions: distrusted needs_inventory outside_brackets parse_duration parse_size split_outside_brackets;
            constants: ;
        }
    }
}

/// Descriptions of modules, and reasons why a task is not in one.
pub mod module {
    pub use wxec_protocol::{
        Digest, Hasher,
        abi::{Function, Parameter, Plan, PlanTemplate, Wants},
    };

    controlling! {
        wxec_build {
            types: AbsenceReason AbsentTask Features;
            functions: ;
            constants: ;
        }
        wxec_controller {
            types: ModuleError;
            functions: ;
            constants: ;
        }
    }
}

/// Output and log records of tasks, on their way to the caller.
pub mod output {
    pub use wxec_protocol::{LogLevel, LogRecord};

    controlling! {
        wxec_controller {
            types: GuestOutput OutputHandler;
            functions: ;
            constants: MAX_LINE_BYTES;
        }
    }
}

/// Files and trees, to hosts and from them.
pub mod transfer {
    controlling! {
        wxec_controller::transfer {
            types: Change Event Failure FailureKind Incomplete LeftOut Links Step Transfer TransferError
                TransferErrorKind TransferOptions Transferred;
            functions: ;
            constants: ;
        }
        wxec_fleet {
            types: FleetTransfer;
            functions: name_for_host transfer_all;
            constants: ;
        }
    }
}
