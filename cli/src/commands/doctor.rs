//! `wxec doctor`: finds what is missing, here or on the way to a host, and says what to do about
//! it.

use std::process::Command;

use wxec::{
    Host,
    build::{CheckStatus, checks},
    host::Report,
};

use crate::{
    args::{connect_args::ConnectArgs, target},
    base::{
        exit_code,
        quantity::{show_duration, show_size},
        verbosity::Verbosity,
    },
    output::{command_error::CommandError, guest_output::guest_output},
    terminal::{interrupt::block_on, stdout::print_line},
};

/// Check that this machine has what wxec needs, and that hosts can be reached
///
/// Each line says `ok`, or `missing` and how to fix it. Nothing is built or changed, unless a
/// TARGET is given: then wxec connects to it, and builds the agent if there is none yet.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Hosts to connect to as well: addresses or hosts of the inventory, separated by commas
    target: Option<String>,
    #[command(flatten)]
    connect: ConnectArgs,
}

const EXAMPLES: &str = "\
Examples:
  wxec doctor
  wxec doctor web1,bastion/ssh:inner/sudo:app";

/// The result of a check.
enum Finding {
    Ok(String),
    Missing { detail: String, fix: String },
}

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    let hosts = match &args.target {
        Some(target) => target::hosts(target, &args.connect, |several| {
            guest_output(several, verbosity)
        })?,
        None => Vec::new(),
    };
    let mut codes = Vec::new();
    let here = checks()
        .into_iter()
        .map(|check| (check.name, check.status.into()));
    for (name, finding) in here.chain([("ssh client", ssh_client())]) {
        if print(name, finding) {
            codes.push(exit_code::USAGE);
        }
    }
    for host in &hosts {
        codes.push(connect(host, verbosity)?);
    }
    Ok(exit_code::of_all(&codes))
}

/// Prints a line. Returns true if something is missing.
fn print(name: &str, finding: Finding) -> bool {
    let (line, is_missing) = match finding {
        Finding::Ok(detail) => (format!("ok       {name}: {detail}"), false),
        Finding::Missing { detail, fix } => {
            let text = CommandError::usage(&detail);
            let text = if fix.is_empty() { text } else { text.hint(fix) };
            (format!("missing  {name}: {text}"), true)
        }
    };
    print_line(&line);
    is_missing
}

fn ssh_client() -> Finding {
    // ssh prints its version on stderr.
    match Command::new("ssh").arg("-V").output() {
        Ok(output) if output.status.success() => {
            Finding::Ok(String::from_utf8_lossy(&output.stderr).trim().into())
        }
        Ok(output) => missing_ssh(format!("`ssh -V` ends with {}", output.status)),
        Err(error) => missing_ssh(format!("cannot run `ssh`: {error}")),
    }
}

fn missing_ssh(detail: String) -> Finding {
    Finding::Missing {
        detail,
        fix: "install OpenSSH's client (on Debian: `apt install openssh-client`)".into(),
    }
}

/// Connects to a host, and prints the costs of that and what sort of place the host is.
fn connect(host: &Host, verbosity: Verbosity) -> Result<u8, CommandError> {
    let report = block_on(host.report())?;
    let stats = host.stats();
    host.close().wait();
    match report {
        Ok(report) => {
            let detail = format!(
                "connected in {}, {} round trips",
                show_duration(stats.connect),
                stats.round_trips
            );
            print(host.name(), Finding::Ok(detail));
            for (name, detail) in findings(&report) {
                print(&format!("{} {name}", host.name()), Finding::Ok(detail));
            }
            Ok(exit_code::OK)
        }
        Err(error) => {
            let error = CommandError::of_call(&error, verbosity);
            let code = error.code;
            print(
                host.name(),
                Finding::Missing {
                    detail: error.to_string(),
                    fix: String::new(),
                },
            );
            Ok(code)
        }
    }
}

/// Returns the lines for a report.
fn findings(report: &Report) -> Vec<(&'static str, String)> {
    let Report {
        target,
        directory,
        tried,
        description,
        round_trip,
        ..
    } = report;
    let size = |bytes: Option<u64>| bytes.map_or_else(|| "no limit".into(), show_size);
    let count =
        |count: Option<u64>| count.map_or_else(|| "no limit".into(), |count| count.to_string());
    let mut lines = vec![("architecture", target.clone())];
    lines.extend(
        directory
            .as_ref()
            .map(|directory| ("agent's place", directory.clone())),
    );
    lines.extend(tried.iter().map(|tried| ("place tried", tried.clone())));
    lines.push((
        "agent",
        format!("process {}, account {}", description.pid, description.uid),
    ));
    lines.push(("processors", description.cpus.to_string()));
    lines.push(("memory", size(description.memory_bytes)));
    lines.push(("address space", size(description.address_space_bytes)));
    lines.push(("open files", count(description.open_files)));
    lines.push(("processes", count(description.processes)));
    lines.extend(description.notes.iter().map(|note| ("note", note.clone())));
    lines.push(("round trip", show_duration(*round_trip)));
    lines
}

impl From<CheckStatus> for Finding {
    fn from(status: CheckStatus) -> Self {
        match status {
            CheckStatus::Ok(detail) => Self::Ok(detail),
            CheckStatus::Missing { detail, fix } => Self::Missing { detail, fix },
            other => Self::Missing {
                detail: format!("{other:?}"),
                fix: String::new(),
            },
        }
    }
}
