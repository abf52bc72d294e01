//! Streams of bytes: pipes of processes, connections, and streams between a task and its caller.
//! Reads and writes wait; the host keeps nothing in between.

use std::{
    future::poll_fn,
    io,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::Shutdown,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, unix::AsyncFd},
    time::timeout,
};
use wasmtime::{Caller, Linker, Result};
use wxec_protocol::abi::{self, MAX_SELECTED, StreamSelect};

use super::{
    linking::{link_asking, link_handling, link_numbering, link_streaming},
    memory, range,
    reply::{Denial, answer, question},
    resources::{Resources, invalid},
};
use crate::{call::guest::Guest, limits::quota::Share};

pub(super) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    link_streaming(
        linker,
        [
            ("stream_read", |caller, stream, pointer, length| {
                Box::new(stream_read(caller, stream, pointer, length))
            }),
            ("stream_write", |caller, stream, pointer, length| {
                Box::new(stream_write(caller, stream, pointer, length))
            }),
        ],
    )?;
    link_asking(
        linker,
        [("stream_select", |caller, pointer, length| {
            Box::new(stream_select(caller, pointer, length))
        })],
    )?;
    linker.func_wrap(abi::IMPORTS, "stream_timeout", stream_timeout)?;
    link_handling(
        linker,
        [("call_stream", call_stream), ("stream_close", stream_close)],
    )?;
    link_numbering(linker, [("net_shutdown", net_shutdown)])
}

fn call_stream(mut caller: Caller<'_, Guest>, index: i32) -> i32 {
    let guest = caller.data_mut();
    let taken = guest.resources.take_call_stream(index);
    answer(guest, taken.map(|handle| (handle, ())))
}

async fn stream_read(
    mut caller: Caller<'_, Guest>,
    handle: i32,
    pointer: u32,
    length: u32,
) -> Result<i32> {
    let (memory, guest) = memory(&mut caller)?;
    let room = range(memory, pointer, length)?;
    let read = match guest.resources.stream(handle) {
        Ok(stream) => stream.read(&mut memory[room]).await,
        Err(denial) => Err(denial),
    };
    Ok(answer(guest, read.map(|length| (number(length), ()))))
}

async fn stream_write(
    mut caller: Caller<'_, Guest>,
    handle: i32,
    pointer: u32,
    length: u32,
) -> Result<i32> {
    let (memory, guest) = memory(&mut caller)?;
    let bytes = &memory[range(memory, pointer, length)?];
    let written = match guest.resources.stream(handle) {
        Ok(stream) => stream.write(bytes).await,
        Err(denial) => Err(denial),
    };
    Ok(answer(guest, written.map(|length| (number(length), ()))))
}

async fn stream_select(mut caller: Caller<'_, Guest>, pointer: u32, length: u32) -> Result<i32> {
    let asked = question(&mut caller, pointer, length)?;
    let guest = caller.data_mut();
    let ready = match asked {
        Ok(asked) => select(&mut guest.resources, &asked).await,
        Err(denial) => Err(denial),
    };
    Ok(answer(guest, ready.map(|place| (number(place), ()))))
}

fn stream_timeout(mut caller: Caller<'_, Guest>, handle: i32, direction: i32, ms: i64) -> i32 {
    let guest = caller.data_mut();
    let set = guest.resources.stream(handle).and_then(|stream| {
        let within = u64::try_from(ms).ok().map(Duration::from_millis);
        match direction {
            0 => stream.read_within = within,
            1 => stream.write_within = within,
            _ => return Err(invalid(format!("{direction} is no direction"))),
        }
        Ok((0, ()))
    });
    answer(guest, set)
}

fn stream_close(mut caller: Caller<'_, Guest>, handle: i32) -> i32 {
    let guest = caller.data_mut();
    let closed = guest.resources.close_stream(handle);
    answer(guest, closed.map(|()| (0, ())))
}

fn net_shutdown(mut caller: Caller<'_, Guest>, handle: i32, how: i32) -> i32 {
    let guest = caller.data_mut();
    let shut = guest.resources.stream(handle).and_then(|stream| {
        let how = match how {
            0 => Shutdown::Read,
            1 => Shutdown::Write,
            2 => Shutdown::Both,
            _ => {
                return Err(invalid(format!(
                    "{how} is no way to shut a connection down"
                )));
            }
        };
        // The kernel returns an error for a pipe, which is no socket.
        rustix::net::shutdown(stream.file()?.get_ref(), how).map_err(io::Error::from)?;
        Ok((0, ()))
    });
    answer(guest, shut)
}

/// Waits until one of the streams asked for is ready. Returns its place.
async fn select(resources: &mut Resources, asked: &StreamSelect) -> Result<usize, Denial> {
    let streams = asked
        .write
        .iter()
        .map(|handle| (*handle, Direction::Writing));
    let streams: Vec<_> = streams
        .chain(
            asked
                .read
                .iter()
                .map(|handle| (*handle, Direction::Reading)),
        )
        .collect();
    if streams.is_empty() || streams.len() > MAX_SELECTED {
        return Err(invalid(format!(
            "{} streams cannot be waited for, but 1 to {MAX_SELECTED}",
            streams.len()
        )));
    }
    for (handle, direction) in &streams {
        let stream = resources.stream(*handle)?;
        stream.check(*direction)?;
        stream.file()?;
    }
    poll_fn(|context| {
        for (place, (handle, direction)) in streams.iter().enumerate() {
            if resources
                .stream(*handle)?
                .poll_ready(*direction, context)?
                .is_ready()
            {
                return Poll::Ready(Ok(place));
            }
        }
        Poll::Pending
    })
    .await
}

/// Direction of the bytes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Reading,
    Writing,
    Both,
}

/// The guest's end of a stream of its call, for bytes both ways. Shutting it down says that the
/// guest closed it; an end that is merely dropped ends with the call.
pub trait ReadWrite: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> ReadWrite for T {}

/// The guest's end of a stream of its call.
pub type Duplex = Box<dyn ReadWrite>;

/// One end of a pipe, of a connection, or of a stream of the call.
pub(super) struct Stream {
    end: End,
    direction: Direction,
    read_within: Option<Duration>,
    write_within: Option<Duration>,
    _share: Option<Share>,
}

enum End {
    File(AsyncFd<OwnedFd>),
    OfCall(Duplex),
}

impl Stream {
    /// Takes a file that is not shared: other processes that have it open would no longer wait when
    /// they use it.
    pub(super) fn new(fd: OwnedFd, direction: Direction, share: Share) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        let interest = match direction {
            Direction::Reading => Interest::READABLE,
            Direction::Writing => Interest::WRITABLE,
            Direction::Both => Interest::READABLE | Interest::WRITABLE,
        };
        let end = End::File(watched(fd, interest)?);
        Ok(Self {
            end,
            direction,
            read_within: None,
            write_within: None,
            _share: Some(share),
        })
    }

    /// Takes a stream of the call.
    pub(super) fn of_call(stream: Duplex) -> Self {
        let end = End::OfCall(stream);
        Self {
            end,
            direction: Direction::Both,
            read_within: None,
            write_within: None,
            _share: None,
        }
    }

    /// Closes the stream for the guest.
    pub(super) fn close(self) {
        if let End::OfCall(mut stream) = self.end {
            // Ignore the result: the stream is dropped next.
            let _ = Pin::new(&mut stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Returns its file. A stream of the call has none.
    fn file(&self) -> Result<&AsyncFd<OwnedFd>, Denial> {
        match &self.end {
            End::File(file) => Ok(file),
            End::OfCall(_) => Err(invalid(
                "streams of the call can only be read, written and closed".into(),
            )),
        }
    }

    /// Waits until there is something to read, and reads it. Reads nothing at the end.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Denial> {
        self.check(Direction::Reading)?;
        let limit = self.read_within;
        let read = async {
            match &mut self.end {
                End::File(fd) => {
                    fd.async_io(Interest::READABLE, |fd| {
                        Ok(rustix::io::read(fd, &mut *buffer)?)
                    })
                    .await
                }
                End::OfCall(stream) => stream.read(buffer).await,
            }
        };
        Ok(within(limit, read).await?)
    }

    /// Waits until there is room, and writes some of `bytes`.
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Denial> {
        self.check(Direction::Writing)?;
        let limit = self.write_within;
        let written = async {
            match &mut self.end {
                End::File(fd) => {
                    fd.async_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, bytes)?))
                        .await
                }
                End::OfCall(stream) => stream.write(bytes).await,
            }
        };
        Ok(within(limit, written).await?)
    }

    /// Refuses the other direction: the stream would never be ready.
    fn check(&self, direction: Direction) -> Result<(), Denial> {
        if self.direction == Direction::Both || self.direction == direction {
            return Ok(());
        }
        Err(invalid(match direction {
            Direction::Reading => "the stream is for writing".into(),
            _ => "the stream is for reading".into(),
        }))
    }

    fn poll_ready(
        &self,
        direction: Direction,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Denial>> {
        let fd = self.file()?;
        loop {
            let (ready, flags) = match direction {
                Direction::Writing => (fd.poll_write_ready(context), PollFlags::OUT),
                _ => (fd.poll_read_ready(context), PollFlags::IN),
            };
            let Poll::Ready(ready) = ready else {
                return Poll::Pending;
            };
            // Ask the kernel: data that was reported may have been used up since, and the guest
            // counts on not having to wait.
            if is_ready(fd.get_ref(), flags) {
                return Poll::Ready(Ok(()));
            }
            ready?.clear_ready();
        }
    }
}

/// Registers a file with the runtime, which tells when it is ready.
#[expect(
    deprecated,
    reason = "what its unsafe successor asks for is so of every `OwnedFd`: the same file, and open"
)]
pub(super) fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, interest)
}

/// Asks the kernel if a file is ready. A file at its end, or with an error to tell, is ready.
pub(super) fn is_ready(fd: &impl AsFd, flags: PollFlags) -> bool {
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut [PollFd::new(fd, flags)], Some(&at_once)).is_ok_and(|ready| ready > 0)
}

async fn within<T>(
    limit: Option<Duration>,
    io: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match limit {
        Some(limit) => timeout(limit, io)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        None => io.await,
    }
}

/// Converts a count to what a call returns. Memories have at most 4 GiB, and no call reads or
/// writes half of that at once.
fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
