//! Addresses of hosts: hops joined by `/`, each `scheme:rest`.

mod hop;

use std::{fmt, str::FromStr};

pub use hop::{ContainerEngine, Hop, SshAddress};

/// Length limit for chains: each hop is a process on every machine before it.
pub const MAX_HOPS: usize = 8;

/// Address of a host: one hop, or several, each reached from the one before. A bare `name`,
/// `user@name` or `user@name:port` means `ssh:`.
///
/// ```
/// # use wxec_controller::__docs as wxec;
/// use wxec::address::Address;
///
/// let address: Address = "deploy@web1:2222".parse()?;
/// assert_eq!(address.to_string(), "ssh:deploy@web1:2222");
/// let address: Address = "bastion/ssh:inner/sudo:app".parse()?;
/// assert_eq!(address.hops().len(), 3);
/// # Ok::<(), wxec::address::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Never empty.
    hops: Vec<Hop>,
}

/// The text is not a valid address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a valid address: {reason}", .address.escape_debug())]
pub struct AddressError {
    /// The text.
    pub address: String,
    /// The reason, and the form of a valid address.
    pub reason: String,
}

impl Address {
    /// Returns its hops, the first of which is reached from here. There is at least one.
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// Returns the short form for messages: `local`, `deploy@web1`, `bastion/sudo:app`.
    pub fn name(&self) -> String {
        match &*self.hops {
            [Hop::Local] => "local".into(),
            [Hop::Ssh(ssh), rest @ ..] => {
                join(std::iter::once(ssh.to_string()).chain(rest.iter().map(Hop::to_string)))
            }
            hops => join(hops.iter().map(Hop::to_string)),
        }
    }

    /// Returns the address from which its last hop is reached; `None` if that is this machine.
    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, parents) = self.hops.split_last()?;
        (!parents.is_empty()).then(|| Self {
            hops: parents.into(),
        })
    }

    /// Returns the address to which `hop` leads from there.
    pub(crate) fn beyond(&self, hop: Hop) -> Result<Self, AddressError> {
        let hops = self.hops.iter().cloned().chain([hop]).collect();
        checked(hops).map_err(|reason| AddressError {
            address: self.to_string(),
            reason,
        })
    }

    /// Returns its last hop.
    pub(crate) fn last(&self) -> &Hop {
        self.hops.last().expect("an address has a hop")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse(text).map_err(|reason| AddressError {
            address: text.into(),
            reason,
        })
    }
}

impl From<Hop> for Address {
    fn from(hop: Hop) -> Self {
        Self { hops: vec![hop] }
    }
}

fn parse(text: &str) -> Result<Address, String> {
    let mut hops = Vec::new();
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (hop, after) = hop::parse(text)?;
        if hop == Hop::Local && !hops.is_empty() {
            return Err("`local:` can only be the first hop".into());
        }
        hops.push(hop);
        rest = after;
    }
    checked(hops)
}

fn checked(hops: Vec<Hop>) -> Result<Address, String> {
    match hops.len() {
        0..=MAX_HOPS => Ok(Address { hops }),
        length => Err(format!(
            "{length} hops are more than the {MAX_HOPS} allowed: {}",
            hops.iter()
                .map(Hop::to_string)
                .collect::<Vec<_>>()
                .join(" → ")
        )),
    }
}

fn join(hops: impl Iterator<Item = String>) -> String {
    hops.collect::<Vec<_>>().join("/")
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&join(self.hops.iter().map(Hop::to_string)))
    }
}

#[cfg(test)]
mod tests;
