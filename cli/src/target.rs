//! TARGET: which hosts a command means.

use wxec::{Address, Fleet, Host, OutputHandler};

use crate::command_error::CommandError;

/// The hosts that `target` names, each once. What their guests print goes to the listener that `output` makes, once it
/// is known whether they are several.
pub(crate) fn hosts(target: &str, output: impl FnOnce(bool) -> OutputHandler) -> Result<Vec<Host>, CommandError> {
    let hosts = split(target).map(|address| parse(address).map(Host::from)).collect::<Result<Fleet, _>>()?;
    let hosts = hosts.hosts();
    let output = output(hosts.len() > 1);
    Ok(hosts.iter().map(|host| host.with_output(output.clone())).collect())
}

/// One address.
pub(crate) fn parse(address: &str) -> Result<Address, CommandError> {
    if address.is_empty() {
        return Err(
            CommandError::usage("an address is missing").hint("write `local:`, or `web1,web2` for several hosts")
        );
    }
    if address.starts_with(['@', '!', '&']) || address.contains('*') {
        let message = format!("`{}` needs an inventory, and there is none yet", address.escape_debug());
        return Err(CommandError::usage(message).hint("name the hosts, as in `web1,web2`"));
    }
    Ok(address.parse()?)
}

/// Cuts a list at its commas, but for those in brackets.
fn split(target: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    let parts = target.split(move |c| {
        depth += match c {
            '[' => 1,
            ']' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    });
    parts.map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn addresses(target: &str) -> Result<Vec<String>, CommandError> {
        let hosts = hosts(target, |_| Arc::new(|_, _, _| ()))?;
        Ok(hosts.iter().map(|host| host.address().to_string()).collect())
    }

    #[test]
    fn a_target_is_a_list_of_addresses() {
        assert_eq!(addresses("local:").unwrap(), ["local:"]);
        assert_eq!(
            addresses("web1, deploy@web2:22,ssh:[::1]:22,web1").unwrap(),
            ["ssh:web1", "ssh:deploy@web2:22", "ssh:[::1]:22"]
        );
    }

    #[test]
    fn what_is_no_target_is_said_to_be_none() {
        for (target, message) in [
            ("", "an address is missing; write `local:`, or `web1,web2` for several hosts"),
            ("web1,,web2", "an address is missing; write `local:`, or `web1,web2` for several hosts"),
            ("@web", "`@web` needs an inventory, and there is none yet; name the hosts, as in `web1,web2`"),
            ("web1,web*", "`web*` needs an inventory, and there is none yet; name the hosts, as in `web1,web2`"),
        ] {
            assert_eq!(addresses(target).unwrap_err().to_string(), message);
        }
        assert!(addresses("web1,docker:x").unwrap_err().to_string().contains("not supported yet"));
    }
}
