//! Facts about a host.

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Facts about a host, found out there without the network and without running a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Facts {
    /// Its name, as in `uname -n`.
    pub hostname: String,
    /// Its name with its domain, if the name or `/etc/hosts` has one.
    pub fqdn: Option<String>,
    /// Its kernel's release, as in `uname -r`: `6.12.43`.
    pub kernel: String,
    /// Its operating system, as in `uname -s`: `Linux`.
    pub os: String,
    /// Its architecture, as in `uname -m`: `x86_64`, `aarch64`.
    pub arch: String,
    /// Its distribution, if it has an `os-release` file.
    pub distro: Option<Distro>,
    /// Processors that the agent may use.
    pub cpus: u32,
    /// Its memory.
    pub memory_bytes: u64,
    /// Its addresses, without loopback and link-local ones.
    #[serde(with = "texts")]
    pub addresses: Vec<IpAddr>,
    /// Name of the account that the agent runs as, if `/etc/passwd` has it.
    pub user: Option<String>,
    /// User id of that account.
    pub uid: u32,
    /// Seconds since the host was started.
    pub uptime_s: u64,
}

/// A distribution, from `os-release`.
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
    /// Makes a distribution from its names and version.
    pub fn new(id: impl Into<String>, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            version: version.into(),
        }
    }
}

/// Writes addresses as text in every format.
mod texts {
    use core::net::IpAddr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        addresses: &[IpAddr],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(addresses.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<IpAddr>, D::Error> {
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
    fn addresses_are_texts_in_cbor() {
        let facts = Facts {
            addresses: vec!["10.0.0.5".parse().unwrap(), "::1".parse().unwrap()],
            ..Facts::default()
        };
        let encoded = cbor::encode(&facts).unwrap();
        assert!(encoded.windows(8).any(|window| window == b"10.0.0.5"));
        assert_eq!(cbor::decode::<Facts>(&encoded), Ok(facts));
    }
}
