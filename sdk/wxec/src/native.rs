//! The controlling side: what the public modules in `lib.rs` take from `wxec-controller`,
//! `wxec-fleet` and `wxec-build`, and what the output of the macros needs.

mod task;

pub use wxec_controller::{
    AddressError, Call, CallFuture, CallTarget, ChannelEnd, Host, Receiver, RecvError, SendError,
    Sender, channel,
};
pub use wxec_fleet::{Error, Result};

/// Re-exports names of the controlling side.
macro_rules! controlling {
    ($($($from:ident)::+ {
        types: $($type:ident)*;
        functions: $($function:ident)*;
        constants: $($constant:ident)*;
    })*) => {
        $(pub use $($from)::+::{$($type,)* $($function,)* $($constant,)*};)*
    };
}

/// Files of the host that the task runs on, where `std::fs` has no words for them in a module.
///
/// Reading, writing, listing and removing work by [`std::fs`] in a task. WASI knows neither modes nor
/// owners, makes no links to absolute paths, and cannot write a directory to the disk: this does. A
/// task needs the grant to read or to write the path, and for mode and owner the grant of
/// attributes.
///
/// No function follows a symbolic link in the last part of a path.
///
/// ```
/// use wxec::{fs, remote};
///
/// /// Makes a file that only its owner can read.
/// #[remote(write = "/srv/app", attributes)]
/// fn hide(path: &str) -> std::io::Result<()> {
///     fs::set_mode(path, 0o600)
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("key");
/// # let path = path.to_str().unwrap();
/// # std::fs::write(path, "")?;
/// hide(path)?;
/// assert_eq!(fs::status(path)?.mode, 0o600);
/// # Ok::<(), std::io::Error>(())
/// ```
pub mod fs {
    use std::{
        fs::{File, Permissions},
        io,
        os::unix::{self, fs::MetadataExt, fs::PermissionsExt},
        path::{Path, PathBuf},
        time::SystemTime,
    };

    pub use wxec_protocol::abi::FileKind as Kind;

    pub use crate::file::Status;

    /// Bits of a mode that can be set.
    const MODE_BITS: u32 = 0o7777;

    /// Returns the status of a file, or of a symbolic link itself.
    pub fn status(path: impl AsRef<Path>) -> io::Result<Status> {
        let path = path.as_ref();
        let found = std::fs::symlink_metadata(path)?;
        let kind = found.file_type();
        let target = if kind.is_symlink() {
            Some(std::fs::read_link(path)?)
        } else {
            None
        };
        Ok(Status {
            kind: match () {
                () if kind.is_file() => Kind::File,
                () if kind.is_dir() => Kind::Directory,
                () if kind.is_symlink() => Kind::Symlink,
                () => Kind::Other,
            },
            mode: found.mode() & MODE_BITS,
            uid: found.uid(),
            gid: found.gid(),
            size: found.size(),
            modified: found.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            device: found.dev(),
            inode: found.ino(),
            target,
        })
    }

    /// Sets the mode of a regular file or a directory: 12 bits.
    pub fn set_mode(path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let path = path.as_ref();
        check_kind(path)?;
        if mode > MODE_BITS {
            let message = format!("a mode has no bits beyond {MODE_BITS:o}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        std::fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Sets owner and group of a regular file or a directory, where they are given. Systems take
    /// setuid and setgid from the mode then.
    pub fn set_owner(path: impl AsRef<Path>, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let path = path.as_ref();
        check_kind(path)?;
        unix::fs::lchown(path, uid, gid)
    }

    /// Makes a symbolic link. Its target is any text; a task follows it only inside what it was
    /// granted.
    pub fn symlink(target: impl AsRef<Path>, path: impl AsRef<Path>) -> io::Result<()> {
        unix::fs::symlink(target, path)
    }

    /// Returns the target of a symbolic link.
    pub fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
        std::fs::read_link(path)
    }

    /// Renames a file or a directory, over a file that has the new name. Returns when the file and
    /// its new name are on the disk.
    pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
        crate::file::rename(from.as_ref(), to.as_ref())
    }

    /// Writes the entries of a directory to the disk.
    pub fn sync_directory(path: impl AsRef<Path>) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Locks a file for as long as the result lives, in a task until its call ends. Fails with
    /// [`io::ErrorKind::WouldBlock`] if another process has locked it.
    pub fn lock(path: impl AsRef<Path>) -> io::Result<Lock> {
        let file = File::open(path)?;
        file.try_lock().map_err(io::Error::from)?;
        Ok(Lock(file))
    }

    /// A lock of a file, made by [`lock`].
    #[derive(Debug)]
    pub struct Lock(#[expect(dead_code, reason = "it is locked while it is open")] File);

    fn check_kind(path: &Path) -> io::Result<()> {
        let found = std::fs::symlink_metadata(path)?;
        if found.is_file() || found.is_dir() {
            return Ok(());
        }
        let message = "neither a regular file nor a directory";
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

/// The host that the task runs on.
///
/// In a module this is the host that the task was called on; in a program it is this machine. A
/// task may also call tasks on other hosts, with the same code as a program: see
/// [`remote`](crate::remote#hosts-of-its-own).
///
/// ```
/// use wxec::remote;
///
/// /// Returns the version of the kernel.
/// #[remote(facts)]
/// fn kernel() -> std::io::Result<String> {
///     Ok(wxec::here::facts()?.kernel)
/// }
///
/// println!("{}", kernel()?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub mod here {
    pub use wxec_protocol::{Distro, Facts, abi::HostError, questions};

    /// Returns the path at which a task finds the folder of its record, if it was granted one. A
    /// program has none.
    pub fn record_folder() -> Option<&'static std::path::Path> {
        None
    }

    /// Returns true if the call that a task runs in was cancelled, and goes on for a while because its
    /// caller [lets it linger](crate::CallOptions::linger). In a program nothing is.
    pub fn is_cancelled() -> bool {
        false
    }

    /// Returns the facts of the host. A module needs a grant for them; without it, the error is of
    /// the kind [`PermissionDenied`](std::io::ErrorKind::PermissionDenied) and wraps a
    /// [`HostError`](crate::here::HostError).
    pub fn facts() -> std::io::Result<Facts> {
        Ok(wxec_facts::here())
    }
}

pub(crate) mod for_macros {
    pub use wxec_build::Origin;
    pub use wxec_controller::{ChannelEnds, Planned, Task};

    pub use super::task::{Brought, CallArguments, call, origin};
}

/// Programs that run where the task runs.
///
/// In a program, these are the types of [`std::process`]. In a module, those types do nothing, so
/// these are types of the same shape, without some of the methods. They run programs on the host
/// that the task was called on, if the task was granted their name or path.
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
/// Differences on a host: a program has no terminal, no input except what the task sends, and
/// little of the agent's environment, and it prints where the task prints. When the call ends, its
/// processes end, with all that they started. Errors are [`io::Error`](std::io::Error)s that wrap a
/// [`HostError`](crate::here::HostError), which names the missing grant.
pub mod process {
    pub use std::{
        os::unix::process::ExitStatusExt,
        process::{
            Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio,
        },
    };
}

/// Connections that start where the task runs.
///
/// In a program, these are the types of [`std::net`]. In a module, these are types of the same
/// shape, without some of the methods. They connect from the host that the task was called on, to
/// the places that the task was granted.
///
/// ```
/// use std::io::{Read, Write};
/// use wxec::{net::TcpStream, remote};
///
/// /// Sends a text, and gives back the answer.
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

    /// Returns the addresses of a host, by its name. A module needs a grant of the name, on any
    /// port.
    ///
    /// ```
    /// assert!(wxec::net::lookup("localhost")?.iter().any(|address| address.is_loopback()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lookup(host: &str) -> io::Result<Vec<IpAddr>> {
        let mut addresses: Vec<_> = (host, 0)
            .to_socket_addrs()?
            .map(|address| address.ip())
            .collect();
        addresses.dedup();
        Ok(addresses)
    }
}
