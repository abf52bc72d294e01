//! stdin and stdout as the conversation's pipe, out of reach of all other code in this process.

use std::{fs::OpenOptions, io, os::fd::OwnedFd, os::unix::net::UnixStream as StdUnixStream};

use rustix::{
    fs::{FileType, fstat},
    io::fcntl_dupfd_cloexec,
    pipe::{fcntl_getpipe_size, fcntl_setpipe_size},
    stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{
        UnixStream,
        unix::pipe::{Receiver, Sender},
    },
};

/// New file descriptors stay above the three of stdio.
const FIRST_FREE_FD: i32 = 3;

/// Room in each pipe, four times what Linux gives: a payload wakes each end a third as often. More
/// would help little, and an account without privileges has 64 MiB for all its pipes.
const PIPE_BYTES: usize = 256 << 10;

/// Bytes from the controller.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// Bytes to the controller.
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Takes over stdin and stdout. From now on stdin is empty and printing goes to stderr, because a
/// stray print must not end up between frames.
///
/// Fails if one of them is neither a pipe nor a socket. Some sshd use sockets; all other ways in
/// use pipes.
pub fn take() -> io::Result<(Reader, Writer)> {
    let input = fcntl_dupfd_cloexec(stdin(), FIRST_FREE_FD)?;
    let output = fcntl_dupfd_cloexec(stdout(), FIRST_FREE_FD)?;
    dup2_stdin(OpenOptions::new().read(true).open("/dev/null")?)?;
    dup2_stdout(stderr())?;
    let reader: Reader = if is_socket(&input)? {
        Box::new(socket(input)?)
    } else {
        enlarge(&input);
        Box::new(Receiver::from_owned_fd(input)?)
    };
    let writer: Writer = if is_socket(&output)? {
        Box::new(socket(output)?)
    } else {
        enlarge(&output);
        Box::new(Sender::from_owned_fd(output)?)
    };
    Ok((reader, writer))
}

/// Enlarges a pipe, unless the system refuses or it is larger already.
fn enlarge(pipe: &OwnedFd) {
    if fcntl_getpipe_size(pipe).is_ok_and(|bytes| bytes < PIPE_BYTES) {
        let _ = fcntl_setpipe_size(pipe, PIPE_BYTES);
    }
}

fn is_socket(fd: &OwnedFd) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode) == FileType::Socket)
}

fn socket(fd: OwnedFd) -> io::Result<UnixStream> {
    let socket = StdUnixStream::from(fd);
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}
