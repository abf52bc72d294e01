//! `wxec rsh`: stands in for ssh, for tools that run it, over any address.
//!
//! This module reads its command line itself, instead of clap, because the syntax is ssh's: see
//! [`typed`], [`meaning`] and [`place`].

mod meaning;
mod place;
mod remote;
mod shell_words;
mod typed;

use std::{
    env,
    ffi::OsString,
    fs::File,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
    process::Command,
};

use clap::{CommandFactory, Parser};
use wxec::{Address, ConnectOptions, Hop, Host};

use crate::{
    access::Access,
    args::{Args, Verbosity},
    command_error::CommandError,
    exit_code, interrupt,
    output::{self, guest_output, print_line, say},
    progress, target,
};
use meaning::{Meaning, Question, is_sent};
use place::Place;
use remote::Remote;
use typed::Typed;

/// The name of a link to `wxec` that acts as `wxec rsh`, for tools that run a program without
/// arguments.
const NAME: &str = "wxec-rsh";

/// The variable with options to put before those on the command line, for the same tools.
const OPTIONS_VARIABLE: &str = "WXEC_RSH_OPTIONS";

/// ssh's exit code for a fault of its own or of the connection. Tools rely on it.
const FAILED: u8 = 255;

/// Options of wxec's own among those of ssh.
#[derive(Debug, Parser)]
#[command(name = "wxec rsh", no_binary_name = true, disable_help_flag = true)]
struct Own {
    #[command(flatten)]
    access: Access,
    /// Accept addresses that run a program or a container: `exec:`, `docker-run:`, `podman-run:`
    #[arg(long)]
    trust_address: bool,
    #[arg(long)]
    help: bool,
}

/// Returns the words after `wxec rsh`, or `None` for another command.
pub(crate) fn words() -> Option<Vec<OsString>> {
    let mut words = env::args_os();
    let name = words.next()?;
    let is_named = Path::new(&name)
        .file_name()
        .is_some_and(|name| name == NAME);
    (is_named || words.next()? == "rsh").then(|| words.collect())
}

/// Acts as ssh, and returns the exit code.
pub(crate) fn main(words: Vec<OsString>) -> u8 {
    let result = run(words);
    progress::clear();
    output::check(result, |error| {
        if interrupt::happened() {
            return exit_code::INTERRUPTED;
        }
        error.print("wxec rsh: ");
        FAILED
    })
}

fn run(words: Vec<OsString>) -> Result<u8, CommandError> {
    if let Err(error) = interrupt::watch() {
        say(&format!(
            "warning: Ctrl-C will leave things behind: {error}"
        ));
    }
    let more = env::var_os(OPTIONS_VARIABLE).unwrap_or_default();
    let more = shell_words::words(more.as_bytes())
        .into_iter()
        .map(|word| OsString::from_vec(word.text));
    let typed =
        Typed::parse(more.chain(words).collect(), takes_value).map_err(CommandError::usage)?;
    let own =
        Own::try_parse_from(&typed.own).map_err(|error| CommandError::usage(first_line(&error)))?;
    let meaning = Meaning::of(&typed).map_err(CommandError::usage)?;
    if own.help {
        help();
        return Ok(exit_code::OK);
    }
    let verbosity = match meaning.verbose {
        _ if meaning.is_quiet => Verbosity::Quiet,
        0 => Verbosity::Normal,
        1 => Verbosity::Verbose,
        _ => Verbosity::Debug,
    };
    // Tools that read stderr expect a few lines at most, and no spinner.
    progress::install(if meaning.is_quiet {
        Verbosity::Quiet
    } else {
        verbosity.max(Verbosity::Verbose)
    });
    match &meaning.question {
        Some(Question::Version) => {
            say(&format!(
                "wxec rsh {}, a look-alike of OpenSSH",
                env!("CARGO_PKG_VERSION")
            ));
            return Ok(0);
        }
        Some(Question::Capabilities(what)) => return ask_ssh(what),
        Some(Question::Configuration) | None => {}
    }

    let host = typed
        .host
        .as_deref()
        .ok_or_else(|| CommandError::usage("a host is missing").hint(USAGE))?;
    let command = meaning
        .command
        .as_deref()
        .map_or(&*typed.command, str::as_bytes);
    let schemes: Vec<_> = Hop::schemes().collect();
    let place =
        Place::of(host, command, meaning.is_subsystem, &schemes).map_err(CommandError::usage)?;
    let address = logged_in(
        &target::parse(&place.address)?,
        place.user.as_ref().or(meaning.user.as_ref()),
        meaning.port,
    )?;
    if !own.trust_address {
        check_address(&address)?;
    }
    if meaning.question.is_some() {
        print_line(&format!("host {host}\naddress {address}"));
        return Ok(exit_code::OK);
    }

    if verbosity >= Verbosity::Verbose {
        say(&format!(
            "wxec rsh: {address}: {}",
            String::from_utf8_lossy(&place.command)
        ));
    }
    let host = Host::from(address).with_options(&options(&own.access, &meaning)?);
    let host = host.with_output(guest_output(false, verbosity));
    let sent = env::vars_os().filter(|(name, _)| is_sent(name.as_bytes(), &meaning.send_env));
    let set = meaning
        .set_env
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    let remote = Remote {
        command: place.command,
        is_subsystem: meaning.is_subsystem,
        terminal: meaning.terminal,
        has_no_input: meaning.has_no_input,
        environment: sent.chain(set).collect(),
    };
    remote.run(&host, verbosity)
}

const USAGE: &str = "write `wxec rsh [OPTION…] HOST [COMMAND…]`; `wxec rsh --help` has more";

fn takes_value(name: &str) -> bool {
    let own = Own::command();
    let found = own
        .get_arguments()
        .find(|argument| argument.get_long() == Some(name));
    found.is_some_and(|argument| argument.get_action().takes_values())
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned()
}

fn help() {
    let mut wxec = Args::command();
    wxec.build();
    let rsh = wxec.find_subcommand_mut("rsh").expect("it is one");
    print_line(&rsh.render_long_help().to_string());
}

/// Passes `-Q` on to the local ssh, because the question is about an ssh.
fn ask_ssh(what: &str) -> Result<u8, CommandError> {
    let status = Command::new("ssh").args(["-Q", what]).status();
    let status = status
        .map_err(|error| CommandError::usage(format!("cannot run the ssh client: {error}")))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(FAILED))
}

/// Returns `address` with `user` and `port` at its last ssh hop, which is the machine that tools
/// mean by their host.
fn logged_in(
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
fn check_address(address: &Address) -> Result<(), CommandError> {
    let begins_something = |hop: &&Hop| matches!(hop, Hop::Exec(_) | Hop::ContainerRun(..));
    match address.hops().iter().find(begins_something) {
        None => Ok(()),
        Some(hop) => Err(
            CommandError::usage(format!("`{hop}` would run what the address says"))
                .hint("if nobody but you wrote it, add --trust-address"),
        ),
    }
}

fn options(access: &Access, meaning: &Meaning) -> Result<ConnectOptions, CommandError> {
    // stdin belongs to the tool, so prompts use the terminal, as those of ssh do.
    let has_terminal = !meaning.is_batch && File::open("/dev/tty").is_ok();
    let mut options = access.options(1)?.ask_on_terminal(has_terminal);
    if let Some(timeout) = meaning.connect_timeout {
        options = options.timeout(timeout);
    }
    if let Some(config) = &meaning.ssh_config {
        options = options.ssh_config(config);
    }
    Ok(meaning
        .ssh_options
        .iter()
        .fold(options, |options, option| options.ssh_option(option)))
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

    #[test]
    fn own_options_know_whether_they_take_a_value() {
        assert!(takes_value("tool") && takes_value("become-pass-file"));
        assert!(
            !takes_value("cache-agent") && !takes_value("no-such-option") && !takes_value("help")
        );
    }
}
