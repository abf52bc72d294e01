//! Connections from the host, in the shape of `std::net`.

mod place;

pub use std::net::Shutdown;
use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use wxec_protocol::abi::{NetAddresses, NetConnect, NetConnected, NetLookup};

pub use self::place::ToSocketAddrs;
use super::{ask, imports, stream::Stream};

/// A connection, like `std::net::TcpStream`.
#[derive(Debug)]
pub struct TcpStream {
    stream: Stream,
    peer: SocketAddr,
    local: SocketAddr,
}

/// The directions, as `stream_timeout` numbers them.
const READING: i32 = 0;
const WRITING: i32 = 1;

impl TcpStream {
    /// Connects to a place, or to the first of several that answers.
    pub fn connect(places: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = io::Error::new(
            io::ErrorKind::InvalidInput,
            "there is no place to connect to",
        );
        for (host, port) in places.places()? {
            match Self::reach(NetConnect {
                host,
                port,
                timeout_ms: None,
            }) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Connects to an address, within `timeout`.
    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        let timeout_ms = u64::try_from(milliseconds(timeout)?).ok();
        Self::reach(NetConnect {
            host: address.ip().to_string(),
            port: address.port(),
            timeout_ms,
        })
    }

    fn reach(question: NetConnect) -> io::Result<Self> {
        let (handle, NetConnected { peer, local }) = ask::ask(imports::net_connect, &question)?;
        Ok(Self {
            stream: Stream::of(handle),
            peer,
            local,
        })
    }

    /// Returns the address of the other end.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }

    /// Returns the address of this end, on the host.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    /// Ends one direction, or both.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => 0,
            Shutdown::Write => 1,
            Shutdown::Both => 2,
        };
        ask::done(imports::net_shutdown(self.stream.handle(), how)).map(drop)
    }

    /// Limits the time of a read, which then fails with `TimedOut`.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_timeout(READING, timeout)
    }

    /// Limits the time of a write, which then fails with `TimedOut`.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_timeout(WRITING, timeout)
    }

    fn set_timeout(&self, direction: i32, timeout: Option<Duration>) -> io::Result<()> {
        let ms = timeout.map_or(Ok(-1), milliseconds)?;
        ask::done(imports::stream_timeout(self.stream.handle(), direction, ms)).map(drop)
    }
}

/// Converts to milliseconds, rounded up. Refuses zero, as std does.
fn milliseconds(timeout: Duration) -> io::Result<i64> {
    if timeout.is_zero() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a time-out cannot be zero",
        ));
    }
    Ok(i64::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i64::MAX))
}

impl Read for &TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for &TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }
}

impl Write for TcpStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the addresses of a host, by its name. This needs a grant of the name, on any port.
pub fn lookup(host: &str) -> io::Result<Vec<IpAddr>> {
    let (_, NetAddresses(addresses)) =
        ask::ask(imports::net_lookup, &NetLookup { host: host.into() })?;
    Ok(addresses)
}
