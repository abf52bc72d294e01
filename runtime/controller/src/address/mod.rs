//! Where a host is: hops joined by `/`, each `scheme:rest`.

use std::{fmt, str::FromStr};

/// Schemes of ways in that are planned but not there yet: named so that their addresses get an honest answer.
const PLANNED: &[&str] = &[
    "sudo",
    "su",
    "doas",
    "docker",
    "docker-run",
    "podman",
    "podman-run",
    "kubectl",
    "nsenter",
    "lxc",
    "machinectl",
    "exec",
];

/// Where a host is. A bare `name`, `user@name` or `user@name:port` means `ssh:`.
///
/// ```
/// use wxec_controller::Address;
///
/// let address: Address = "deploy@web1:2222".parse()?;
/// assert_eq!(address.to_string(), "ssh:deploy@web1:2222");
/// # Ok::<(), wxec_controller::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A child process of this program.
    Local,
    /// A host reached by the system's OpenSSH client.
    Ssh(SshAddress),
}

/// What the system's ssh client is asked to reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SshAddress {
    /// Login name; ssh's configuration decides if there is none.
    pub user: Option<String>,
    /// Host name, address, or an alias of ssh's configuration.
    pub host: String,
    /// Port; ssh's configuration decides if there is none.
    pub port: Option<u16>,
}

/// A text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no address: {reason}", .address.escape_debug())]
pub struct AddressError {
    /// The text.
    pub address: String,
    /// Why not, and what would be one.
    pub reason: String,
}

impl Address {
    /// The address as people say it in messages: `local`, `deploy@web1`.
    pub fn name(&self) -> String {
        match self {
            Self::Local => "local".into(),
            Self::Ssh(ssh) => ssh.to_string(),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let hops = split_hops(text);
        let error = |reason: String| AddressError { address: text.into(), reason };
        let [hop] = &*hops else {
            return Err(error(format!("chains of hops are not supported yet; name one hop, such as `{}`", hops[0])));
        };
        match hop.split_once(':') {
            Some(("local", "")) => Ok(Self::Local),
            Some(("local", _)) => Err(error("nothing follows `local:`".into())),
            Some(("ssh", rest)) => parse_ssh(rest).map(Self::Ssh).map_err(error),
            Some((scheme, _)) if PLANNED.contains(&scheme) => {
                Err(error(format!("`{scheme}:` is not supported yet; there are `local:` and `ssh:`")))
            }
            _ => parse_ssh(hop).map(Self::Ssh).map_err(error),
        }
    }
}

/// A `/` starts a new hop only before a known scheme.
fn split_hops(text: &str) -> Vec<&str> {
    let mut hops = Vec::new();
    let mut start = 0;
    for (slash, _) in text.match_indices('/') {
        let scheme = text[slash + 1..].split_once(':').map(|(scheme, _)| scheme);
        if scheme.is_some_and(|scheme| ["local", "ssh"].contains(&scheme) || PLANNED.contains(&scheme)) {
            hops.push(&text[start..slash]);
            start = slash + 1;
        }
    }
    hops.push(&text[start..]);
    hops
}

fn parse_ssh(text: &str) -> Result<SshAddress, String> {
    const EXAMPLE: &str = "write `ssh:[user@]host[:port]`";
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    // An IPv6 address stands in brackets when a port follows, and may do so always.
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(|| format!("text after `]`; {EXAMPLE}"))?)),
        None => match rest.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (rest, None),
        },
    };
    let port = port
        .map(|port| match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(format!("`{}` is no port; {EXAMPLE}", port.escape_debug())),
        })
        .transpose()?;
    check_word("host name", host)?;
    if let Some(user) = user {
        check_word("user name", user)?;
    }
    Ok(SshAddress { user: user.map(Into::into), host: host.into(), port })
}

/// Refuses what ssh could take for an option or a shell for anything but a word.
fn check_word(what: &str, word: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_alphanumeric() || "._-:%+@\\".contains(c);
    match word.chars().find(|c| !allowed(*c)) {
        _ if word.is_empty() => Err(format!("the {what} is missing; write `ssh:[user@]host[:port]`")),
        _ if word.starts_with('-') => Err(format!("a {what} cannot start with `-`")),
        Some(c) => Err(format!("a {what} cannot contain `{}`", c.escape_debug())),
        None => Ok(()),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local:"),
            Self::Ssh(ssh) => write!(f, "ssh:{ssh}"),
        }
    }
}

impl fmt::Display for SshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match (self.port, self.host.contains(':')) {
            (Some(port), true) => write!(f, "[{}]:{port}", self.host),
            (Some(port), false) => write!(f, "{}:{port}", self.host),
            (None, _) => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh(user: Option<&str>, host: &str, port: Option<u16>) -> Address {
        Address::Ssh(SshAddress { user: user.map(Into::into), host: host.into(), port })
    }

    #[test]
    fn addresses_are_read() {
        for (text, address) in [
            ("local:", Address::Local),
            ("web1", ssh(None, "web1", None)),
            ("ssh:web1", ssh(None, "web1", None)),
            ("deploy@web1:2222", ssh(Some("deploy"), "web1", Some(2222))),
            ("ssh:[::1]:22", ssh(None, "::1", Some(22))),
            ("ssh:fe80::1%eth0", ssh(None, "fe80::1%eth0", None)),
            ("ssh:corp\\joe@web1", ssh(Some("corp\\joe"), "web1", None)),
        ] {
            assert_eq!(text.parse(), Ok(address.clone()), "{text}");
            assert_eq!(address.to_string().parse(), Ok(address), "{text} printed");
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        for text in [
            "-oProxyCommand=evil",
            "ssh:-oProxyCommand=evil",
            "ssh:-l@host",
            "$(reboot)",
            "ssh:a b",
            "ssh:a\nb",
            "ssh:a'b",
            "ssh:`id`",
            "",
            "ssh:",
            "@host",
            "ssh:host:0",
            "ssh:host:99999",
            "ssh:host;id",
            "a/b",
            "local:x",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_planned_is_said_to_be() {
        let error = "ssh:bastion/docker:web".parse::<Address>().unwrap_err();
        assert!(error.to_string().contains("chains of hops are not supported yet"), "{error}");
        let error = "docker:web".parse::<Address>().unwrap_err();
        assert!(error.to_string().contains("`docker:` is not supported yet"), "{error}");
    }
}
