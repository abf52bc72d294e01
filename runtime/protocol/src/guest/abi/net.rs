//! Questions and answers about streams and the network.

use core::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The question of `stream_select`: wait until one of these streams is ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamSelect {
    /// Streams to write to.
    pub write: Vec<i32>,
    /// Streams to read from.
    pub read: Vec<i32>,
}

/// Largest number of streams in one [`StreamSelect`]. `stream_select` returns a stream's position
/// in `write` followed by `read`. A guest has one thread, and rarely more to wait for than the
/// streams of some processes.
pub const MAX_SELECTED: usize = 64;

/// The question of `net_connect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetConnect {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Time limit; by default the host decides.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// The reply of `net_connect`, which returns the handle of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetConnected {
    /// Address of the other end.
    #[serde(with = "text")]
    pub peer: SocketAddr,
    /// Address of this end.
    #[serde(with = "text")]
    pub local: SocketAddr,
}

/// The question of `net_lookup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetLookup {
    /// A name.
    pub host: String,
}

/// The reply of `net_lookup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetAddresses(#[serde(with = "texts")] pub Vec<IpAddr>);

/// Writes addresses as text. By default serde writes bytes in formats for machines, and treats CBOR
/// as one.
mod text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

mod texts {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(
        values: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts
            .iter()
            .map(|text| text.parse().map_err(D::Error::custom))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::cbor;

    #[test]
    fn addresses_are_texts() {
        let connected = NetConnected {
            peer: "[::1]:80".parse().unwrap(),
            local: "[::1]:1024".parse().unwrap(),
        };
        let encoded = cbor::encode(&connected).unwrap();
        assert_eq!(encoded, b"\xa2\x64peer\x68[::1]:80\x65local\x6a[::1]:1024");
        assert_eq!(cbor::decode(&encoded), Ok(connected));

        let addresses = NetAddresses(vec!["::1".parse().unwrap(), "10.0.0.1".parse().unwrap()]);
        let encoded = cbor::encode(&addresses).unwrap();
        assert_eq!(encoded, b"\x82\x63::1\x6810.0.0.1");
        assert_eq!(cbor::decode(&encoded), Ok(addresses));
        assert!(cbor::decode::<NetAddresses>(b"\x81\x63::g").is_err());
    }
}
