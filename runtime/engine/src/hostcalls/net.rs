//! Connections for guests, to places that were granted.
//!
//! A grant names a host, and a name server decides which addresses it has: grant an address where
//! that matters.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    os::fd::OwnedFd,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use wasmtime::{Caller, Linker, Result};
use wxec_protocol::{
    Need,
    abi::{NetAddresses, NetConnect, NetConnected, NetLookup},
};

use super::{
    linking::link_asking,
    reply::{Denial, answer, question},
    streams::{Direction, Stream},
};
use crate::{call::guest::Guest, call::supply::Supply, limits::refusal::Refusal};

/// Time that connecting may take, unless the guest sets another: seconds on a bad line, and Linux
/// itself gives up after two minutes.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Length of the longest name in the DNS. Other names are refused.
const MAX_NAME_BYTES: usize = 253;

pub(super) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    link_asking(
        linker,
        [
            ("net_connect", |caller, pointer, length| {
                Box::new(net_connect(caller, pointer, length))
            }),
            ("net_lookup", |caller, pointer, length| {
                Box::new(net_lookup(caller, pointer, length))
            }),
        ],
    )
}

async fn net_connect(mut caller: Caller<'_, Guest>, pointer: u32, length: u32) -> Result<i32> {
    let connected = match question(&mut caller, pointer, length)? {
        Ok(question) => connect(caller.data_mut(), question).await,
        Err(denial) => Err(denial),
    };
    Ok(answer(caller.data_mut(), connected))
}

async fn net_lookup(mut caller: Caller<'_, Guest>, pointer: u32, length: u32) -> Result<i32> {
    let found = match question(&mut caller, pointer, length)? {
        Ok(question) => lookup(caller.data_mut(), question).await,
        Err(denial) => Err(denial),
    };
    Ok(answer(caller.data_mut(), found))
}

async fn connect(guest: &mut Guest, question: NetConnect) -> Result<(i32, NetConnected), Denial> {
    let NetConnect {
        host,
        port,
        timeout_ms,
    } = question;
    let host = Name::parse(host)?;
    let need = Need::Net(host.with_port(port));
    if !guest.grants.covers(&need) {
        return Err(Refusal::Denied(need).into());
    }
    let share = guest.resources.files.take()?;
    let limit = timeout_ms.map_or(CONNECT_WITHIN, Duration::from_millis);
    let until = deadline(limit);
    let timed_out = || {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no connection within {limit:?}"),
        )
    };
    let addresses = timeout_at(until, host.resolve(&guest.resources.supply, port)).await;
    let socket = reach(&addresses.map_err(|_| timed_out())??, until)
        .await?
        .ok_or_else(timed_out)?;
    let connected = NetConnected {
        peer: socket.peer_addr()?,
        local: socket.local_addr()?,
    };
    // Send small pieces at once: the delay is for programs that write in small pieces, and guests
    // have their own buffers.
    socket.set_nodelay(true)?;
    let stream = Stream::new(OwnedFd::from(socket.into_std()?), Direction::Both, share)?;
    Ok((guest.resources.add_stream(stream), connected))
}

async fn lookup(
    guest: &mut Guest,
    NetLookup { host }: NetLookup,
) -> Result<(i32, NetAddresses), Denial> {
    let host = Name::parse(host)?;
    if !guest.grants.covers_lookup(host.text()) {
        return Err(Refusal::Denied(Need::Net(host.text().into())).into());
    }
    let mut addresses: Vec<_> = host
        .resolve(&guest.resources.supply, 0)
        .await?
        .iter()
        .map(SocketAddr::ip)
        .collect();
    addresses.dedup();
    Ok((
        i32::try_from(addresses.len()).unwrap_or(i32::MAX),
        NetAddresses(addresses),
    ))
}

/// Tries one address after the other; returns `None` if the last one did not answer. Each address
/// has an equal part of the time that is left, so that a silent one does not take the time of the
/// others.
async fn reach(addresses: &[SocketAddr], until: Instant) -> io::Result<Option<TcpStream>> {
    let mut outcome = Err(io::Error::new(
        io::ErrorKind::NotFound,
        "the name has no addresses",
    ));
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let part = until.saturating_duration_since(Instant::now()) / left;
        match timeout(part, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(Some(socket)),
            Ok(Err(error)) => outcome = Err(error),
            Err(_) => outcome = Ok(None),
        }
    }
    outcome
}

/// Returns the time after `limit`, or a time in a year where the clock ends before that.
fn deadline(limit: Duration) -> Instant {
    Instant::now()
        .checked_add(limit)
        .unwrap_or_else(|| Instant::now() + Duration::from_secs(365 * 24 * 60 * 60))
}

/// A host as a guest names it.
#[derive(Debug, PartialEq, Eq)]
enum Name {
    Address(IpAddr, String),
    Name(String),
}

impl Name {
    /// Accepts addresses and names, and nothing that would read as a name with a port.
    fn parse(host: String) -> Result<Self, Denial> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Self::Address(address, address.to_string()));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if host.is_empty() || host.len() > MAX_NAME_BYTES || !host.chars().all(is_plain) {
            let message = "a host is an address, or a name of letters, digits, dots and hyphens";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message).into());
        }
        Ok(Self::Name(host))
    }

    fn text(&self) -> &str {
        match self {
            Self::Address(_, text) | Self::Name(text) => text,
        }
    }

    /// Returns the form in which it is granted.
    fn with_port(&self, port: u16) -> String {
        match self {
            Self::Address(address, _) => SocketAddr::new(*address, port).to_string(),
            Self::Name(name) => format!("{name}:{port}"),
        }
    }

    /// Returns its addresses, as this host's own resolver has them.
    async fn resolve(self, supply: &Supply, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Address(address, _) => Ok(vec![SocketAddr::new(address, port)]),
            Self::Name(name) => {
                let look_up = move || (&*name, port).to_socket_addrs().map(Iterator::collect);
                supply.lookups.run(look_up).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_addresses_or_plain_names() {
        let place = |host: &str| Name::parse(host.into()).ok().map(|name| name.with_port(80));
        assert_eq!(place("example.org").as_deref(), Some("example.org:80"));
        assert_eq!(place("10.0.0.1").as_deref(), Some("10.0.0.1:80"));
        assert_eq!(place("0:0::1").as_deref(), Some("[::1]:80"));
        for host in [
            "",
            "a:80",
            "[::1]",
            "a b",
            "a\0",
            "a/b",
            "fe80::1%eth0",
            "*",
            &"a".repeat(254),
        ] {
            assert_eq!(place(host), None, "{host:?}");
        }
    }
}
