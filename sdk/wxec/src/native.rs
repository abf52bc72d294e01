//! The controlling side: the public items of `wxec-controller` and `wxec-build`, and what the output of the macros needs.

mod task;

pub use wxec_build::{
    AgentImage, BuildError, Check, CheckStatus, Progress, ProgressEvent, Quiet, StderrProgress, Work, cache_directory,
    checks, end_builds, is_shipped, supervise_builds,
};
pub use wxec_controller::{
    Address, AddressError, Attach, Bound, Call, CallError, CallErrorKind, CallFuture, CallTarget, ChannelEnd, Child,
    ChildRemote, ChildStdin, ChildStdout, Command, CommandFailed, CommandOutput, ConnectOptions, Description, Engine,
    Error, ExitStatus, FileChange, FileError, FileErrorKind, FileStep, Fleet, FleetCall, FleetError, FleetTransfer,
    GuestOutput, Hop, Host, Instance, Links, MAX_HOPS, MAX_LINE_BYTES, Module, ModuleError, Operation, Outcome,
    Outcomes, OutputHandler, Password, Phase, Program, ProgramOutput, Receiver, RecvError, Report, Result,
    SSH_CONFIG_VARIABLE, SendError, Sender, SshAddress, Stats, Step, Tagged, Transfer, TransferError,
    TransferErrorKind, TransferEvent, TransferOptions, TransferOutcome, Transferred, Unreachable, Value, WindowSize,
    channel, explain, name_for_host, set_progress,
};

/// The host that the task runs on.
///
/// In a module it is the one the task was called on; here it is this machine. A task may also call tasks on hosts of its
/// own, by the very text that calls them from here: see [`remote`](crate::remote#hosts-of-its-own).
///
/// ```
/// use wxec::remote;
///
/// /// Which kernel runs there.
/// #[remote(facts)]
/// fn kernel() -> std::io::Result<String> {
///     Ok(wxec::host::facts()?.kernel)
/// }
///
/// println!("{}", kernel()?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub mod host {
    pub use wxec_protocol::{Distro, Facts};

    /// What the host says of itself. In a module that takes a grant, and without it is an error of the kind
    /// [`PermissionDenied`](std::io::ErrorKind::PermissionDenied), around a [`HostError`](crate::HostError).
    pub fn facts() -> std::io::Result<Facts> {
        Ok(wxec_facts::here())
    }
}

pub(crate) mod for_macros {
    pub use wxec_build::Origin;
    pub use wxec_controller::{Ports, Task};

    pub use super::task::{CallArguments, call, call_stream, origin};
}

/// Programs, run where the task runs.
///
/// Here these are the types of [`std::process`]. In a module, where those do nothing, they are the same as far as they
/// go, and run programs on the host that the task was called on: those it was granted, by their name or path.
///
/// ```
/// use wxec::{process::Command, remote};
///
/// #[remote]
/// fn kernel() -> std::io::Result<String> {
///     let output = Command::new("uname").arg("-r").output()?;
///     Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
/// }
///
/// println!("{}", kernel()?);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// What differs on a host: a program has no terminal and no input but what it is sent, prints where the task prints, and
/// has little of the agent's environment. When the call ends, so do its processes, with all they started. Errors are
/// [`io::Error`](std::io::Error)s around a [`HostError`](crate::HostError), which says what would have to be granted.
pub mod process {
    pub use std::{
        os::unix::process::ExitStatusExt,
        process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio},
    };
}

/// Connections, made where the task runs.
///
/// Here these are the types of [`std::net`]. In a module they are the same as far as they go, and connect from the host
/// that the task was called on, to the places it was granted.
///
/// ```
/// use std::io::{Read, Write};
/// use wxec::{net::TcpStream, remote};
///
/// /// Says something, and gives back what it is answered.
/// #[remote]
/// fn talk(host: &str, port: u16, text: &str) -> std::io::Result<String> {
///     let mut stream = TcpStream::connect((host, port))?;
///     stream.write_all(text.as_bytes())?;
///     let mut answer = String::new();
///     stream.take(1 << 20).read_to_string(&mut answer)?;
///     Ok(answer)
/// }
///
/// # let listener = std::net::TcpListener::bind("localhost:0")?;
/// # let port = listener.local_addr()?.port();
/// # let server = std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"hello"));
/// assert_eq!(talk("localhost", port, "")?, "hello");
/// # server.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub mod net {
    pub use std::net::{Shutdown, TcpStream, ToSocketAddrs};
    use std::{io, net::IpAddr};

    /// The addresses of a host, by its name. In a module that takes a grant of the name, on any port.
    ///
    /// ```
    /// assert!(wxec::net::lookup("localhost")?.iter().any(|address| address.is_loopback()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lookup(host: &str) -> io::Result<Vec<IpAddr>> {
        let mut addresses: Vec<_> = (host, 0).to_socket_addrs()?.map(|address| address.ip()).collect();
        addresses.dedup();
        Ok(addresses)
    }
}
