//! The address, with ssh's options applied, and judged by its origin.

use wxec::address::{Address, Hop};

use crate::output::command_error::CommandError;

/// Returns `address` with `user` and `port` at its last ssh hop, which is the machine that tools
/// mean by their host.
pub(crate) fn logged_in(
    address: &Address,
    user: Option<&String>,
    port: Option<u16>,
) -> Result<Address, CommandError> {
    if user.is_none() && port.is_none() {
        return Ok(address.clone());
    }
    let mut hops = address.hops().to_vec();
    let last = hops.iter_mut().rev().find_map(|hop| match hop {
        Hop::Ssh(ssh) => Some(ssh),
        _ => None,
    });
    let ssh = last.ok_or_else(|| {
        CommandError::usage(format!(
            "a user and a port are for an `ssh:` hop, and {address} has none"
        ))
        .hint("`sudo:USER` becomes another user")
    })?;
    ssh.user = user.cloned().or_else(|| ssh.user.take());
    ssh.port = port.or(ssh.port);
    let hops: Vec<_> = hops.iter().map(Hop::to_string).collect();
    Ok(hops.join("/").parse()?)
}

/// Refuses addresses that name programs to run. Tools take addresses from places that strangers
/// write to, such as the submodules of a repository.
pub(crate) fn check_address(address: &Address) -> Result<(), CommandError> {
    let begins_something = |hop: &&Hop| matches!(hop, Hop::Exec(_) | Hop::ContainerRun(..));
    match address.hops().iter().find(begins_something) {
        None => Ok(()),
        Some(hop) => Err(
            CommandError::usage(format!("`{hop}` would run what the address says"))
                .hint("if nobody but you wrote it, add --trust-address"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_ports_are_those_of_the_last_ssh_hop() {
        let joe = "joe".to_owned();
        let logged_in = |address: &str, user, port| {
            logged_in(&address.parse().unwrap(), user, port).map(|address| address.to_string())
        };
        assert_eq!(
            logged_in("a/ssh:b:22/sudo:app", Some(&joe), None).unwrap(),
            "ssh:a/ssh:joe@b:22/sudo:app"
        );
        assert_eq!(
            logged_in("jim@a", Some(&joe), Some(23)).unwrap(),
            "ssh:joe@a:23"
        );
        assert_eq!(logged_in("docker:web", None, None).unwrap(), "docker:web");
        let error = logged_in("docker:web", Some(&joe), None).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("are for an `ssh:` hop, and docker:web has none"),
            "{error}"
        );
        assert!(logged_in("a", Some(&"-x".to_owned()), None).is_err());
    }

    #[test]
    fn addresses_of_strangers_run_nothing_of_their_own() {
        let check = |address: &str| {
            check_address(&address.parse().unwrap()).map_err(|error| error.to_string())
        };
        assert_eq!(check("ssh:a/sudo:app/docker:web"), Ok(()));
        for address in [r#"exec:["touch","pwned"]"#, "ssh:a/docker-run:evil"] {
            assert!(
                check(address).unwrap_err().ends_with("add --trust-address"),
                "{address}"
            );
        }
    }
}
