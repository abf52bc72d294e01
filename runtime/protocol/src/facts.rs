//! What a host says of itself.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What a host says of itself: found out there without asking the network or running a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Facts {
    /// Its name, as `uname -n` says.
    pub hostname: String,
    /// Its name with its domain, if the name or `/etc/hosts` says.
    pub fqdn: Option<String>,
    /// Its kernel's release, as `uname -r` says: `6.12.43`.
    pub kernel: String,
    /// Its operating system, as `uname -s` says: `Linux`.
    pub os: String,
    /// Its architecture, as `uname -m` says: `x86_64`, `aarch64`.
    pub arch: String,
    /// Its distribution, if `os-release` says.
    pub distro: Option<Distro>,
    /// Processors that the agent may use.
    pub cpus: u32,
    /// Its memory.
    pub memory_bytes: u64,
    /// Its addresses, but for loopback and link-local ones.
    #[serde(with = "texts")]
    pub addresses: Vec<IpAddr>,
    /// Name of the account that the agent runs as, if `/etc/passwd` has it.
    pub user: Option<String>,
    /// Number of that account.
    pub uid: u32,
    /// Seconds since it was started.
    pub uptime_s: u64,
}

/// A distribution, as its `os-release` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Distro {
    /// Its name for programs: `debian`, `alpine`.
    pub id: String,
    /// Its name for people: `Debian GNU/Linux`.
    pub name: String,
    /// Its version, `13`; empty if it has none.
    pub version: String,
}

impl Distro {
    /// A distribution of these names.
    pub fn new(id: impl Into<String>, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into(), version: version.into() }
    }
}

/// Addresses as people write them, in every format.
mod texts {
    use core::net::IpAddr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(addresses: &[IpAddr], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(addresses.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpAddr>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor;

    #[test]
    fn addresses_are_texts_in_cbor() {
        let facts = Facts { addresses: vec!["10.0.0.5".parse().unwrap(), "::1".parse().unwrap()], ..Facts::default() };
        let encoded = cbor::encode(&facts).unwrap();
        assert!(encoded.windows(8).any(|window| window == b"10.0.0.5"));
        assert_eq!(cbor::decode::<Facts>(&encoded), Ok(facts));
    }
}
