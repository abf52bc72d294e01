//! `wxec doctor`: finds what is missing, here or on the way to a host, and says what to do about it.

use std::process::Command;

use wxec::{CheckStatus, Host, checks};

use crate::{
    args::Verbosity,
    command_error::CommandError,
    exit_code,
    interrupt::block_on,
    output::{guest_output, print_line},
    quantity::show_duration,
    target,
};

/// Check that this machine has what wxec needs, and that hosts can be reached
///
/// Each line says `ok` or `missing`, and what to do about what is missing. Nothing is built or changed, unless a
/// TARGET is given: then wxec connects to it, and builds the agent if there is none yet.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Hosts to connect to as well: an address, or several with commas between them
    target: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  wxec doctor
  wxec doctor web1,deploy@web2:2222";

/// What a check found.
enum Finding {
    Ok(String),
    Missing { detail: String, fix: String },
}

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    let hosts = match &args.target {
        Some(target) => target::hosts(target, |several| guest_output(several, verbosity))?,
        None => Vec::new(),
    };
    let mut codes = Vec::new();
    let here = checks().into_iter().map(|check| (check.name, check.status.into()));
    for (name, finding) in here.chain([("ssh client", ssh_client())]) {
        if print(name, finding)? {
            codes.push(exit_code::USAGE);
        }
    }
    for host in &hosts {
        codes.push(connect(host, verbosity)?);
    }
    Ok(exit_code::of_all(&codes))
}

/// Returns whether something is missing.
fn print(name: &str, finding: Finding) -> Result<bool, CommandError> {
    let (line, is_missing) = match finding {
        Finding::Ok(detail) => (format!("ok       {name}: {detail}"), false),
        Finding::Missing { detail, fix } => {
            let text = CommandError::usage(&detail);
            let text = if fix.is_empty() { text } else { text.hint(fix) };
            (format!("missing  {name}: {text}"), true)
        }
    };
    print_line(&line).map_err(|error| CommandError::usage(format!("cannot print it: {error}")))?;
    Ok(is_missing)
}

fn ssh_client() -> Finding {
    // It says its version on stderr.
    match Command::new("ssh").arg("-V").output() {
        Ok(output) if output.status.success() => Finding::Ok(String::from_utf8_lossy(&output.stderr).trim().into()),
        Ok(output) => missing_ssh(format!("`ssh -V` ends with {}", output.status)),
        Err(error) => missing_ssh(format!("cannot run `ssh`: {error}")),
    }
}

fn missing_ssh(detail: String) -> Finding {
    Finding::Missing { detail, fix: "install OpenSSH's client (on Debian: `apt install openssh-client`)".into() }
}

fn connect(host: &Host, verbosity: Verbosity) -> Result<u8, CommandError> {
    let connected = block_on(host.connect())?;
    let stats = host.stats();
    host.close().wait();
    let (code, finding) = match connected {
        Ok(()) => {
            let detail = format!("connected in {}, {} round trips", show_duration(stats.connect), stats.round_trips);
            (exit_code::OK, Finding::Ok(detail))
        }
        Err(error) => {
            let error = CommandError::of_call(&error, verbosity);
            (error.code, Finding::Missing { detail: error.to_string(), fix: String::new() })
        }
    };
    print(host.name(), finding)?;
    Ok(code)
}

impl From<CheckStatus> for Finding {
    fn from(status: CheckStatus) -> Self {
        match status {
            CheckStatus::Ok(detail) => Self::Ok(detail),
            CheckStatus::Missing { detail, fix } => Self::Missing { detail, fix },
            other => Self::Missing { detail: format!("{other:?}"), fix: String::new() },
        }
    }
}
