//! The steps of `wxec rsh`, from its command line to its exit code.

use std::{
    env,
    ffi::OsString,
    fs::File,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
    process::Command,
};

use clap::{CommandFactory, Parser};
use wxec::{
    Host,
    address::{Address, Hop},
    host::ConnectOptions,
    inventory::Connecting,
};

use crate::{
    args::{connect_args::ConnectArgs, target},
    base::{exit_code, shell_words, verbosity::Verbosity},
    output::{command_error::CommandError, exit, guest_output::guest_output},
    rsh::{
        address::{check_address, logged_in},
        destination::Destination,
        meaning::{Meaning, Question, is_sent},
        remote::{FAILED, Remote},
        typed::Typed,
    },
    terminal::{interrupt, progress, spinner, stderr::say, stdout::print_line},
};

/// The name of a link to `wxec` that acts as `wxec rsh`, for tools that run a program without
/// arguments.
const NAME: &str = "wxec-rsh";

/// The variable with options to put before those on the command line, for the same tools.
const OPTIONS_VARIABLE: &str = "WXEC_RSH_OPTIONS";

/// Options of wxec's own among those of ssh.
#[derive(Debug, Parser)]
#[command(name = "wxec rsh", no_binary_name = true, disable_help_flag = true)]
struct Own {
    #[command(flatten)]
    connect: ConnectArgs,
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

/// Acts as ssh, and returns the exit code. `wxec` makes the whole command line, for the help.
pub(crate) fn main(words: Vec<OsString>, wxec: fn() -> clap::Command) -> u8 {
    let result = run(words, wxec);
    spinner::clear();
    exit::check(result, |error| {
        if interrupt::happened() {
            return exit_code::INTERRUPTED;
        }
        error.print("wxec rsh: ");
        FAILED
    })
}

fn run(words: Vec<OsString>, wxec: fn() -> clap::Command) -> Result<u8, CommandError> {
    interrupt::watch();
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
        help(wxec());
        return Ok(exit_code::OK);
    }
    // Tools that read stderr expect a few lines at most, and no spinner.
    progress::install(if meaning.is_quiet {
        Verbosity::Quiet
    } else {
        meaning.verbosity().max(Verbosity::Verbose)
    });
    match &meaning.question {
        Some(Question::Version) => {
            let version = env!("CARGO_PKG_VERSION");
            say(&format!("wxec rsh {version}, a look-alike of OpenSSH"));
            Ok(exit_code::OK)
        }
        Some(Question::Capabilities(what)) => ask_ssh(what),
        Some(Question::Configuration) | None => go(&typed, &own, &meaning),
    }
}

/// Runs the command where the command line leads, or answers where that is.
fn go(typed: &Typed, own: &Own, meaning: &Meaning) -> Result<u8, CommandError> {
    let host = typed
        .host
        .as_deref()
        .ok_or_else(|| CommandError::usage("a host is missing").hint(USAGE))?;
    let command = meaning
        .command
        .as_deref()
        .map_or(&*typed.command, str::as_bytes);
    let schemes: Vec<_> = Hop::schemes().collect();
    let destination = Destination::of(host, command, meaning.is_subsystem, &schemes)
        .map_err(CommandError::usage)?;
    let (address, connecting) = target::for_tool(&destination.address, &own.connect)?;
    let address = logged_in(
        &address,
        destination.user.as_ref().or(meaning.user.as_ref()),
        meaning.port,
    )?;
    if !own.trust_address {
        check_address(&address)?;
    }
    if meaning.question.is_some() {
        print_line(&format!("host {host}\naddress {address}"));
        return Ok(exit_code::OK);
    }
    let options = options(&own.connect, connecting, meaning)?;
    run_at(address, destination.command, &options, meaning)
}

fn run_at(
    address: Address,
    command: Vec<u8>,
    options: &ConnectOptions,
    meaning: &Meaning,
) -> Result<u8, CommandError> {
    let verbosity = meaning.verbosity();
    if verbosity >= Verbosity::Verbose {
        let command = String::from_utf8_lossy(&command);
        say(&format!("wxec rsh: {address}: {command}"));
    }
    let host = Host::from(address).with_options(options);
    let host = host.with_output(guest_output(false, verbosity));
    let sent = env::vars_os().filter(|(name, _)| is_sent(name.as_bytes(), &meaning.send_env));
    let set = meaning.set_env.iter();
    let set = set.map(|(name, value)| (name.into(), value.into()));
    let remote = Remote {
        command,
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
    // A value that may be omitted stands behind a `=`.
    found.is_some_and(|argument| {
        argument.get_action().takes_values() && !argument.is_require_equals_set()
    })
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned()
}

fn help(mut wxec: clap::Command) {
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

fn options(
    connect: &ConnectArgs,
    connecting: Connecting,
    meaning: &Meaning,
) -> Result<ConnectOptions, CommandError> {
    // stdin belongs to the tool, so prompts use the terminal, as those of ssh do.
    let has_terminal = !meaning.is_batch && File::open("/dev/tty").is_ok();
    let options = connect.options(1)?.ask_on_terminal(has_terminal);
    let mut options = connect.over(connecting, options);
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
    fn own_options_know_whether_they_take_a_value() {
        assert!(takes_value("tool") && takes_value("become-pass-file"));
        assert!(
            !takes_value("cache-agent") && !takes_value("no-such-option") && !takes_value("help")
        );
    }
}
