//! Places that a task can connect to.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

/// Stands in for `std::net::ToSocketAddrs`, which does not look up names in a module. The host
/// looks them up instead.
pub trait ToSocketAddrs {
    /// Returns hosts and ports, to be tried in turn.
    fn places(&self) -> io::Result<Vec<(String, u16)>>;
}

impl ToSocketAddrs for str {
    fn places(&self) -> io::Result<Vec<(String, u16)>> {
        if let Ok(address) = self.parse::<SocketAddr>() {
            return address.places();
        }
        let place = self
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let none = || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{self}` is no host with a port"),
            )
        };
        Ok(vec![place.ok_or_else(none)?])
    }
}

impl ToSocketAddrs for [SocketAddr] {
    fn places(&self) -> io::Result<Vec<(String, u16)>> {
        Ok(self
            .iter()
            .map(|address| (address.ip().to_string(), address.port()))
            .collect())
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn places(&self) -> io::Result<Vec<(String, u16)>> {
        (**self).places()
    }
}

/// Implements the trait for types that are one place.
macro_rules! one_place {
    ($($ty:ty: |$it:ident| $place:expr;)*) => {$(
        impl ToSocketAddrs for $ty {
            fn places(&self) -> io::Result<Vec<(String, u16)>> {
                let $it = self;
                Ok(vec![$place])
            }
        }
    )*};
}

one_place! {
    SocketAddr: |it| (it.ip().to_string(), it.port());
    SocketAddrV4: |it| (it.ip().to_string(), it.port());
    SocketAddrV6: |it| (it.ip().to_string(), it.port());
    (IpAddr, u16): |it| (it.0.to_string(), it.1);
    (Ipv4Addr, u16): |it| (it.0.to_string(), it.1);
    (Ipv6Addr, u16): |it| (it.0.to_string(), it.1);
    (&str, u16): |it| (it.0.to_owned(), it.1);
    (String, u16): |it| it.clone();
}

impl ToSocketAddrs for String {
    fn places(&self) -> io::Result<Vec<(String, u16)>> {
        (**self).places()
    }
}
