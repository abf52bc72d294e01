//! stdin and stdout as the conversation's pipe, out of reach of all other code in this process.

use std::{
    fs::OpenOptions,
    io,
    os::fd::{AsFd, OwnedFd},
    os::unix::net::UnixStream as StdUnixStream,
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::{
    fs::{FileType, fstat},
    io::fcntl_dupfd_cloexec,
    pipe::{fcntl_getpipe_size, fcntl_setpipe_size},
    stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        UnixStream,
        unix::pipe::{Receiver, Sender},
    },
};

/// New file descriptors stay above the three of stdio.
const FIRST_FREE_FD: i32 = 3;

/// Bytes that a new pipe holds.
const USUAL_BYTES: usize = 64 << 10;

/// Bytes that a pipe holds once it was full: a payload then wakes each end a third as often. More
/// would help little, and an account without privileges has 64 MiB for all its pipes.
const BULK_BYTES: usize = 256 << 10;

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
        Box::new(Growing::new(Receiver::from_owned_fd(input)?))
    };
    let writer: Writer = if is_socket(&output)? {
        Box::new(socket(output)?)
    } else {
        Box::new(Growing::new(Sender::from_owned_fd(output)?))
    };
    Ok((reader, writer))
}

/// A pipe that is enlarged once it was full.
struct Growing<P> {
    pipe: P,
    is_grown: bool,
}

impl<P: AsFd> Growing<P> {
    fn new(pipe: P) -> Self {
        Self {
            pipe,
            is_grown: false,
        }
    }

    /// Enlarges the pipe, unless the system refuses or it is larger already.
    fn grow(&mut self) {
        if self.is_grown {
            return;
        }
        self.is_grown = true;
        if fcntl_getpipe_size(&self.pipe).is_ok_and(|bytes| bytes < BULK_BYTES) {
            let _ = fcntl_setpipe_size(&self.pipe, BULK_BYTES);
        }
    }
}

impl AsyncRead for Growing<Receiver> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.pipe).poll_read(context, buffer))?;
        if buffer.filled().len() - before >= USUAL_BYTES {
            self.grow();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Growing<Sender> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.pipe).poll_write(context, bytes))?;
        if written < bytes.len() {
            self.grow();
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(context)
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::unix::pipe::pipe,
    };

    use super::*;

    #[tokio::test]
    async fn a_pipe_grows_at_the_end_that_finds_it_full() {
        let (sender, receiver) = pipe().unwrap();
        let (mut sender, mut receiver) = (Growing::new(sender), Growing::new(receiver));
        let size = |receiver: &Growing<Receiver>| fcntl_getpipe_size(&receiver.pipe).unwrap();
        let usual = size(&receiver);
        let mut bytes = vec![0; BULK_BYTES];

        sender.write_all(&bytes[..100]).await.unwrap();
        assert_eq!(receiver.read(&mut bytes).await.unwrap(), 100);
        assert_eq!(size(&receiver), usual, "little was in it");
        sender.write_all(&bytes[..usual]).await.unwrap();
        assert_eq!(size(&receiver), usual, "the writer found room");
        assert_eq!(receiver.read(&mut bytes).await.unwrap(), usual);
        assert_eq!(size(&receiver), BULK_BYTES);
    }

    #[tokio::test]
    async fn a_writer_that_finds_no_room_makes_some() {
        let (sender, receiver) = pipe().unwrap();
        let mut sender = Growing::new(sender);
        sender.write_all(&[0; BULK_BYTES]).await.unwrap();
        assert_eq!(fcntl_getpipe_size(&receiver).unwrap(), BULK_BYTES);
    }
}
