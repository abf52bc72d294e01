//! Options shared by all commands that connect: everything about reaching hosts beyond their
//! addresses.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use wxec::{
    host::{ConnectOptions, Password},
    inventory::{Connecting, Inventory, needs_inventory},
};

use crate::{base::quantity, output::command_error::CommandError, terminal::interrupt};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connecting")]
pub(crate) struct ConnectArgs {
    #[command(flatten)]
    inventory: InventoryArgs,
    /// Ask for the password for sudo, su and doas once, before connecting
    #[arg(short = 'K', long, group = "password", display_order = 50)]
    ask_become_pass: bool,
    /// Read the password for sudo, su and doas from this environment variable
    #[arg(long, value_name = "NAME", group = "password", display_order = 51)]
    become_pass_env: Option<String>,
    /// Read the password for sudo, su and doas from the first line of this file
    #[arg(long, value_name = "FILE", group = "password", display_order = 52)]
    become_pass_file: Option<PathBuf>,
    /// Keep the agent's executable on each host, named by its digest, and reuse it next time
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        display_order = 53
    )]
    cache_agent: Option<bool>,
    /// Show the agent in process lists as just `wxec`, without user, machine and process id
    #[arg(long, display_order = 54)]
    mask_name: bool,
    /// Give up when a hop is not reached within this time [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration, display_order = 55)]
    connect_timeout: Option<Duration>,
    /// Run PATH in place of NAME: ssh, sudo, su, doas, docker, podman, kubectl, nsenter, lxc-attach
    /// or systemd-run
    #[arg(long = "tool", value_name = "NAME=PATH", value_parser = parse_tool, display_order = 56)]
    tools: Vec<(String, String)>,
}

/// The inventory, for commands that need no more of hosts than their names.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connecting")]
pub(crate) struct InventoryArgs {
    /// Take names, groups and options of hosts from FILE, or from what it prints if it is a program
    /// [default: $WXEC_INVENTORY, or `wxec.toml` here or above]
    #[arg(long, value_name = "FILE", display_order = 49)]
    inventory: Option<PathBuf>,
}

/// The variable that names an inventory.
const INVENTORY_VARIABLE: &str = "WXEC_INVENTORY";

impl InventoryArgs {
    /// Reads the inventory that is named, or the one that is found here.
    pub(crate) fn read(&self) -> Result<Inventory, CommandError> {
        let reading = match self.named() {
            Some(file) => Inventory::from_file(file),
            None => Inventory::find(),
        };
        Ok(interrupt::block_on(reading)??)
    }

    fn named(&self) -> Option<PathBuf> {
        let named = std::env::var_os(INVENTORY_VARIABLE).filter(|file| !file.is_empty());
        self.inventory.clone().or_else(|| named.map(PathBuf::from))
    }
}

/// Programs that `--tool` may replace.
const TOOLS: [&str; 10] = [
    "ssh",
    "sudo",
    "su",
    "doas",
    "docker",
    "podman",
    "kubectl",
    "nsenter",
    "lxc-attach",
    "systemd-run",
];

impl ConnectArgs {
    /// Reads the inventory for `target`. One that is only found is not even looked at for whole
    /// addresses, which it does not change.
    pub(crate) fn inventory(&self, target: &str) -> Result<Inventory, CommandError> {
        if let Some(name) = &self.become_pass_env {
            // Keeps the variable from a program that prints the inventory.
            let _ = Password::from_env(name);
        }
        if self.inventory.named().is_none() && !needs_inventory(target) {
            return Ok(Inventory::default());
        }
        self.inventory.read()
    }

    /// Reads the inventory, if one is named.
    pub(crate) fn named_inventory(&self) -> Result<Option<Inventory>, CommandError> {
        let named = self.inventory.named();
        named.map(|_| self.inventory.read()).transpose()
    }

    /// Returns `options` with those that the inventory has for some hosts; what was typed here
    /// takes precedence.
    pub(crate) fn over(&self, own: Connecting, mut options: ConnectOptions) -> ConnectOptions {
        if let Some(keep) = self.cache_agent.or(own.cache_agent) {
            options = options.cache_agent(keep);
        }
        match self.connect_timeout.or(own.timeout) {
            Some(timeout) => options.timeout(timeout),
            None => options,
        }
    }

    /// Returns the options for connecting to `hosts` hosts, without those that an inventory may
    /// have. Prompts may appear on the terminal only if there is one host.
    pub(crate) fn options(&self, hosts: usize) -> Result<ConnectOptions, CommandError> {
        let mut options = ConnectOptions::new()
            .mask_name(self.mask_name)
            .ask_on_terminal(hosts == 1 && io::IsTerminal::is_terminal(&io::stdin()));
        for (name, path) in &self.tools {
            options = options.tool(name, path);
        }
        Ok(match self.password()? {
            Some(password) => options.become_password(password),
            None => options,
        })
    }

    /// Returns the options for `explain`, which connects to nothing and asks for no password.
    pub(crate) fn options_to_explain(&self) -> ConnectOptions {
        let may_ask = self.ask_become_pass
            || self.become_pass_env.is_some()
            || self.become_pass_file.is_some();
        let options = self
            .tools
            .iter()
            .fold(ConnectOptions::new(), |options, (name, path)| {
                options.tool(name, path)
            });
        let options = options.mask_name(self.mask_name);
        if may_ask {
            options.become_password(Password::new(""))
        } else {
            options
        }
    }

    fn password(&self) -> Result<Option<Password>, CommandError> {
        if self.ask_become_pass {
            let password = rpassword::prompt_password("password for sudo, su and doas: ");
            let password = password.map_err(|error| {
                CommandError::usage(format!("cannot ask for a password: {error}"))
                    .hint("where there is no terminal, use --become-pass-env or --become-pass-file")
            })?;
            return Ok(Some(Password::new(password)));
        }
        if let Some(name) = &self.become_pass_env {
            if std::env::var_os(name).is_none() {
                return Err(CommandError::usage(format!(
                    "the environment variable `{name}` is not set"
                )));
            }
            return Ok(Some(Password::from_env(name)));
        }
        if let Some(path) = &self.become_pass_file {
            check_file(path).map_err(|error| {
                CommandError::usage(format!(
                    "cannot read the password in {}: {error}",
                    path.display()
                ))
            })?;
            return Ok(Some(Password::from_file(path)));
        }
        Ok(None)
    }
}

/// Checks that a password can be read from `path` later. Does not open a pipe, because a pipe can
/// be read only once.
fn check_file(path: &Path) -> io::Result<()> {
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if found.is_file() {
        fs::File::open(path).map(drop)
    } else {
        Ok(())
    }
}

fn parse_tool(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, path)) if TOOLS.contains(&name) && !path.is_empty() => {
            Ok((name.into(), path.into()))
        }
        Some((name, _)) if !TOOLS.contains(&name) => {
            Err(format!("`{name}` is none of {}", TOOLS.join(", ")))
        }
        _ => Err("write NAME=PATH".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_a_file_that_can_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("password");
        assert_eq!(
            check_file(&file).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        assert_eq!(
            check_file(directory.path()).unwrap_err().kind(),
            io::ErrorKind::IsADirectory
        );
        fs::write(&file, "secret\n").unwrap();
        check_file(&file).unwrap();
        check_file(Path::new("/dev/stdin")).unwrap();
    }
}
