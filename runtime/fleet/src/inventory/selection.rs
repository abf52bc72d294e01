//! Hosts that a target has selected, before it is decided how to connect to them.

use std::time::Duration;

use wxec_controller::{ConnectOptions, Host};

use super::{options, resolve::InventoryHost};

/// Options that an inventory has for connecting to a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Connecting {
    /// True to keep the agent's image on the host.
    pub cache_agent: Option<bool>,
    /// Time limit for reaching each hop.
    pub timeout: Option<Duration>,
}

impl Connecting {
    pub(super) fn of(host: &InventoryHost) -> Self {
        let option = |name| host.options().get(name).map(|setting| &setting.value);
        Self {
            cache_agent: option("cache_agent").and_then(|value| value.as_bool()),
            timeout: option("connect_timeout").and_then(options::connect_timeout),
        }
    }

    /// Returns these options, and the usual ones where these have none.
    pub fn options(self) -> ConnectOptions {
        let options = ConnectOptions::new();
        let options = match self.cache_agent {
            Some(keep) => options.cache_agent(keep),
            None => options,
        };
        match self.timeout {
            Some(timeout) => options.timeout(timeout),
            None => options,
        }
    }
}

/// Hosts that a target has selected, each once, in the order of the target.
#[derive(Debug, Clone)]
pub struct Selection {
    pub(super) hosts: Vec<(Host, Connecting)>,
    pub(super) strangers: Vec<(String, Option<String>)>,
}

impl Selection {
    /// Returns the hosts.
    pub fn hosts(&self) -> impl ExactSizeIterator<Item = &Host> {
        self.hosts.iter().map(|(host, _)| host)
    }

    /// Returns the hosts, each with the inventory's options for connecting to it.
    pub fn into_hosts(self) -> impl Iterator<Item = (Host, Connecting)> {
        self.hosts.into_iter()
    }

    /// Returns the names that the inventory does not know, each with a name that it may be a
    /// misspelling of. They are hosts of ssh's configuration. Without an inventory there are none.
    pub fn strangers(&self) -> impl Iterator<Item = (&str, Option<&str>)> + Clone {
        let strangers = self.strangers.iter();
        strangers.map(|(name, similar)| (&**name, similar.as_deref()))
    }
}
