//! Questions and answers about streams and the network.

use core::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// What `stream_select` is asked: these streams, of which one shall be ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamSelect {
    /// Streams to write to.
    pub write: Vec<i32>,
    /// Streams to read from.
    pub read: Vec<i32>,
}

/// What `stream_select` returns is the place of a stream in both lists, one after the other; more than this they may
/// not have together. A guest has one thread, and rarely more on its hands than the streams of some processes.
pub const MAX_SELECTED: usize = 64;

/// What `net_connect` is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetConnect {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How long it may take. Without it the host decides.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// What `net_connect` answers, beside the handle of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetConnected {
    /// Where it leads.
    #[serde(with = "text")]
    pub peer: SocketAddr,
    /// Where it begins.
    #[serde(with = "text")]
    pub local: SocketAddr,
}

/// What `net_lookup` is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetLookup {
    /// A name.
    pub host: String,
}

/// What `net_lookup` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetAddresses(#[serde(with = "texts")] pub Vec<IpAddr>);

/// Addresses travel as texts: serde would tell machines and people apart, and take CBOR for a machine's.
mod text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

mod texts {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<T: Display, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor;

    #[test]
    fn addresses_are_texts() {
        let connected = NetConnected { peer: "[::1]:80".parse().unwrap(), local: "[::1]:1024".parse().unwrap() };
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
