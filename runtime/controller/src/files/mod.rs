//! Transfers of files and trees, to hosts and from them.

mod attempts;
mod error;
mod options;
mod part;
mod retry;
mod tally;

use std::{
    fmt,
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::Arc,
};

use wxec_files::{Listener, Reader, Source, Target, Writer};
use wxec_protocol::Digest;

use self::attempts::Attempts;
use crate::{base::operation::Operation, host::Host};

pub use self::{
    error::{TransferError, TransferErrorKind},
    options::TransferOptions,
};
pub use wxec_files::{Change, Event, Failure, FailureKind, Incomplete, LeftOut, Links, Step};

/// Largest file that `get_bytes` takes into memory.
const MAX_BYTES: u64 = 64 << 20;

/// Mode of files that are made of bytes.
const FILE_MODE: u32 = 0o644;

/// A transfer of files or a tree. It starts when it is [run](Self::run).
///
/// ```no_run
/// # use wxec_controller::__docs as wxec;
/// use wxec::{Host, transfer::TransferOptions};
///
/// let host = Host::new("web1")?;
/// host.put("site.conf", "/etc/nginx/conf.d/").run().wait()?;
/// let site = TransferOptions::new().checksum(true).delete(true);
/// let done = host.put("site", "/srv/www").options(site).run().wait()?;
/// println!("{} files, {} were there already", done.files, done.skipped);
/// host.get("/var/log/syslog", "syslog.web1").run().wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "a transfer does nothing until it is run"]
pub struct Transfer {
    host: Host,
    direction: Direction,
    options: TransferOptions,
    listener: Option<Listener>,
}

/// The direction, the source and the target. Paths are bytes.
#[derive(Debug, Clone)]
enum Direction {
    Put { source: Source, path: Vec<u8> },
    Get { path: Vec<u8>, target: Target },
}

/// The result of a transfer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transferred {
    /// Files and links written.
    pub files: u64,
    /// Bytes in these files.
    pub bytes: u64,
    /// Of these, bytes that had arrived already before a link was cut.
    pub resumed_bytes: u64,
    /// Files and links that were equal already.
    pub skipped: u64,
    /// Files, links and directories deleted.
    pub deleted: u64,
    /// The SHA-256 of the content, as 64 hexadecimal digits, if it was a single file and was sent.
    /// A file with more than 256 MiB in blocks of zeros has none: such blocks are counted, not
    /// hashed. Both ends compare a digest of the counts and the other bytes.
    pub sha256: Option<String>,
    /// Things that were left out, each with its reason.
    pub warnings: Vec<String>,
}

impl Host {
    /// Pairs a file or tree here with a place on this host. Does no I/O.
    ///
    /// A path that ends with `/` (or is `.` or `..`) names a directory to put the source into,
    /// under its own name; any other path is the name that it will have. A `~` at the beginning is
    /// the home directory on the host, and `~app` that of the account `app` in the host's
    /// `/etc/passwd`. A path that does not begin with `/` starts in the directory in which the
    /// agent was started: over ssh, the home directory.
    pub fn put(&self, local: impl AsRef<Path>, remote: impl AsRef<Path>) -> Transfer {
        Transfer::new(
            self,
            Direction::Put {
                source: Source::Path(bytes(local)),
                path: bytes(remote),
            },
        )
    }

    /// Pairs the content of a file with its place on this host. Its mode is 644, unless the options
    /// set another one.
    pub fn put_bytes(&self, content: impl Into<Vec<u8>>, remote: impl AsRef<Path>) -> Transfer {
        let source = Source::Memory {
            bytes: content.into(),
            mode: FILE_MODE,
        };
        Transfer::new(
            self,
            Direction::Put {
                source,
                path: bytes(remote),
            },
        )
    }

    /// Pairs the content that `reader` gives with its place on this host. The file appears there
    /// when `reader` has come to its end. Its mode is 644, unless the options set another one. The
    /// reader runs on a thread of its own, and is read once: a transfer fails if it is run a second
    /// time or its link is cut.
    ///
    /// ```no_run
    /// # use wxec_controller::__docs as wxec;
    /// use wxec::Host;
    ///
    /// let web1 = Host::new("web1")?;
    /// web1.put_reader(std::io::stdin(), "/srv/dump.sql").run().wait()?;
    /// web1.get_writer("/srv/dump.sql", std::io::stdout()).run().wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_reader(
        &self,
        reader: impl Read + Send + 'static,
        remote: impl AsRef<Path>,
    ) -> Transfer {
        let source = Source::Reader {
            reader: Reader::new(reader),
            mode: FILE_MODE,
        };
        Transfer::new(
            self,
            Direction::Put {
                source,
                path: bytes(remote),
            },
        )
    }

    /// Pairs a file on this host with a writer that gets its content as it arrives. If the link is
    /// cut, the transfer goes on from there. Bytes that were written before a transfer failed
    /// cannot be taken back.
    pub fn get_writer(
        &self,
        remote: impl AsRef<Path>,
        writer: impl Write + Send + 'static,
    ) -> Transfer {
        Transfer::new(
            self,
            Direction::Get {
                path: bytes(remote),
                target: Target::Writer(Writer::new(writer)),
            },
        )
    }

    /// Pairs a file or tree on this host with a place here. Paths are as for [`put`](Self::put); a
    /// source without a name of its own, such as `.`, must be given a name here.
    pub fn get(&self, remote: impl AsRef<Path>, local: impl AsRef<Path>) -> Transfer {
        Transfer::new(
            self,
            Direction::Get {
                path: bytes(remote),
                target: Target::Path(bytes(local)),
            },
        )
    }

    /// Returns the content of a file on this host, of 64 MiB at most.
    pub fn get_bytes(&self, remote: impl AsRef<Path>) -> Operation<Result<Vec<u8>, TransferError>> {
        let target = Target::Memory { limit: MAX_BYTES };
        let transfer = Transfer::new(
            self,
            Direction::Get {
                path: bytes(remote),
                target,
            },
        );
        Operation::new(async move { transfer.attempts().run().await.map(|(_, content)| content) })
    }
}

impl Transfer {
    fn new(host: &Host, direction: Direction) -> Self {
        Self {
            host: host.clone(),
            direction,
            options: TransferOptions::default(),
            listener: None,
        }
    }

    /// Sets the options.
    pub fn options(mut self, options: TransferOptions) -> Self {
        self.options = options;
        self
    }

    /// Reports the progress to `listener`, on any thread.
    pub fn on_event(mut self, listener: impl Fn(Event<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Runs the transfer. It replaces a target only after the whole new file has been verified. A
    /// transfer that fails or is dropped leaves nothing behind, except the part of a large file if
    /// the host is lost.
    ///
    /// If the link is cut, the host is connected anew and the transfer goes on from there, unless
    /// the host [stays away](TransferOptions::reconnect_within).
    pub fn run(self) -> Operation<Result<Transferred, TransferError>> {
        Operation::new(async move { self.attempts().run().await.map(|(done, _)| done) })
    }

    fn attempts(self) -> Attempts {
        let Self {
            host,
            direction,
            options,
            listener,
        } = self;
        Attempts::new(host, direction, options, listener)
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer")
            .field("host", &self.host)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    path.as_ref().as_os_str().as_bytes().to_vec()
}

impl Transferred {
    fn new(summary: wxec_files::Summary, warnings: Vec<String>) -> Self {
        let wxec_files::Summary {
            files,
            bytes,
            resumed_bytes,
            skipped,
            deleted,
            digest,
            ..
        } = summary;
        let sha256 = digest.as_ref().map(Digest::to_string);
        Self {
            files,
            bytes,
            resumed_bytes,
            skipped,
            deleted,
            sha256,
            warnings,
        }
    }
}
