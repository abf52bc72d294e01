//! TARGET: the hosts that a command is for.

use wxec::{Fleet, Host, address::Address, output::OutputHandler};

use crate::{
    args::connect_args::ConnectArgs, base::brackets::Brackets, output::command_error::CommandError,
};

/// Returns the hosts that `target` names, each once, with the options of `connect`. The output of
/// their guests goes to the handler that `output` makes; its argument says whether there are
/// several hosts.
pub(crate) fn hosts(
    target: &str,
    connect: &ConnectArgs,
    output: impl FnOnce(bool) -> OutputHandler,
) -> Result<Vec<Host>, CommandError> {
    let hosts = named(target)?;
    let options = connect.options(hosts.hosts().len())?;
    let output = output(hosts.hosts().len() > 1);
    Ok(hosts
        .hosts()
        .iter()
        .map(|host| host.with_options(&options).with_output(output.clone()))
        .collect())
}

fn named(target: &str) -> Result<Fleet, CommandError> {
    split(target)
        .map(|address| parse(address).map(Host::from))
        .collect()
}

/// Parses one address.
pub(crate) fn parse(address: &str) -> Result<Address, CommandError> {
    if address.is_empty() {
        return Err(CommandError::usage("an address is missing")
            .hint("write `local:`, or `web1,web2` for several hosts"));
    }
    if address.starts_with(['@', '!', '&']) || address.contains('*') {
        let message = format!(
            "`{}` needs an inventory, and there is none yet",
            address.escape_debug()
        );
        return Err(CommandError::usage(message).hint("name the hosts, as in `web1,web2`"));
    }
    Ok(address.parse()?)
}

/// Splits a list at its commas, except those in brackets. Brackets in JSON strings do not count.
pub(crate) fn split(target: &str) -> impl Iterator<Item = &str> {
    let mut brackets = Brackets::default();
    let parts = target.split(move |c| brackets.is_outside(c) && c == ',');
    parts.map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(target: &str) -> Result<Vec<String>, CommandError> {
        Ok(named(target)?
            .hosts()
            .iter()
            .map(|host| host.address().to_string())
            .collect())
    }

    #[test]
    fn a_target_is_a_list_of_addresses() {
        assert_eq!(addresses("local:").unwrap(), ["local:"]);
        assert_eq!(
            addresses("web1, deploy@web2:22,ssh:[::1]:22,web1").unwrap(),
            ["ssh:web1", "ssh:deploy@web2:22", "ssh:[::1]:22"]
        );
        assert_eq!(
            addresses(r#"web1/sudo:app, exec:["a,]b\"","c"]/su:x,docker:c"#).unwrap(),
            [
                "ssh:web1/sudo:app",
                r#"exec:["a,]b\"","c"]/su:x"#,
                "docker:c"
            ]
        );
    }

    #[test]
    fn what_is_no_target_is_said_to_be_none() {
        for (target, message) in [
            (
                "",
                "an address is missing; write `local:`, or `web1,web2` for several hosts",
            ),
            (
                "web1,,web2",
                "an address is missing; write `local:`, or `web1,web2` for several hosts",
            ),
            (
                "@web",
                "`@web` needs an inventory, and there is none yet; name the hosts, as in `web1,web2`",
            ),
            (
                "web1,web*",
                "`web*` needs an inventory, and there is none yet; name the hosts, as in `web1,web2`",
            ),
        ] {
            assert_eq!(addresses(target).unwrap_err().to_string(), message);
        }
    }
}
