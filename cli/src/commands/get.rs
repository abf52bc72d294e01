//! `wxec get`: copies a file or a tree from one host, or from several at once.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use wxec::{Fleet, history::RunWork};

use crate::{
    args::{
        connect_args::ConnectArgs,
        remote_path::{is_standard, split_beside},
        target,
        transfer_args::TransferArgs,
    },
    base::verbosity::Verbosity,
    output::{command_error::CommandError, guest_output::guest_output},
    transfer::run::{Ends, Transfers, run as run_transfers, run_to_stdout},
};

/// Copy a file or a tree from hosts
///
/// The path on the host begins after the first colon that is followed by `/`, `.` or `~`, else
/// after the last colon. If DST ends with `/`, or is `.`, it names a directory to put SRC into,
/// under the name that SRC ends with; otherwise DST is the name that SRC gets here. A SRC without a
/// name of its own, such as `host:.`, needs the latter. `{host}` stands for the name of each host,
/// in both paths. For several hosts DST needs a `{host}`: nothing is transferred if two of them
/// would have the same DST. `~` is the home directory on the host, and `~app` that of the account
/// `app`.
///
/// `-` as DST is standard output: one file of one host is written to it as it arrives, and nothing
/// else.
///
/// Files travel as `wxec put --help` says, in the other direction.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A host and a path there, such as `web1:/etc/motd`; or several hosts, as in `@web:/etc/motd`
    #[arg(value_name = "TARGET:SRC")]
    target: OsString,
    /// Path to write to here, or `-`
    #[arg(value_name = "DST")]
    destination: PathBuf,
    #[command(flatten)]
    transfer: TransferArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

const EXAMPLES: &str = "\
Examples:
  wxec get web1:/var/log/syslog .
  wxec get web1:/srv/app.sql.gz - | zcat | psql
  wxec get web1,web2:/etc/hosts hosts.{host}
  wxec get web1,web2:/var/log/nginx logs/{host} --parents
  wxec get -K web1/sudo:/etc/shadow shadow.web1 --mode 600
  wxec get docker:web:/srv/www www --delete --dry-run";

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    let (target, path) = split_bytes(&args.target, &args.destination)?;
    let hosts = target::hosts(&target, &args.connect, |several| {
        guest_output(several, verbosity)
    })?;
    let chosen = args.transfer.rollout.chosen(hosts)?;
    let work = RunWork {
        command: "get".into(),
        what: path.to_string_lossy().into_owned(),
        target,
        ..RunWork::default()
    };
    if is_standard(&args.destination) {
        return run_to_stdout(&args.transfer, chosen, work, &path, verbosity);
    }
    let transfers = Fleet::from_iter(chosen.hosts.iter().cloned())
        .get(path, &args.destination)
        .options(args.transfer.options(verbosity))
        .each()
        .map_err(|error| CommandError::of_transfer(&error, verbosity))?;
    let transfers = Transfers {
        chosen,
        work,
        each: transfers
            .into_iter()
            .map(|transfer| vec![transfer])
            .collect(),
        ends: Ends::Files,
    };
    run_transfers(&args.transfer, transfers, verbosity)
}

/// Like [`split_beside`], for a path of any bytes.
fn split_bytes(text: &OsStr, destination: &Path) -> Result<(String, PathBuf), CommandError> {
    let split = |text: &str| split_beside(text, destination, "put SRC TARGET:DST");
    if let Some(text) = text.to_str() {
        return split(text);
    }
    // Finds the place to split in a copy that has an `x` in place of each byte that is not ASCII.
    let plain: String = text
        .as_bytes()
        .iter()
        .map(|byte| {
            if byte.is_ascii() {
                char::from(*byte)
            } else {
                'x'
            }
        })
        .collect();
    let (_, path) = split(&plain)?;
    let at = text.len() - path.as_os_str().len();
    let (address, path) = (
        &text.as_bytes()[..at],
        OsStr::from_bytes(&text.as_bytes()[at..]),
    );
    let Ok(address) = str::from_utf8(address) else {
        return Err(CommandError::usage(format!(
            "`{}` is not a valid address: it is not UTF-8",
            address.escape_ascii()
        )));
    };
    Ok((split(&format!("{address}x"))?.0, path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_any_bytes() {
        let split = |text: &[u8]| {
            split_bytes(OsStr::from_bytes(text), Path::new("here"))
                .map_err(|error| error.to_string())
        };
        let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        assert_eq!(
            split(b"web1:/a\xff:b"),
            Ok(("web1".into(), path(b"/a\xff:b")))
        );
        assert_eq!(split(b"local:\xff"), Ok(("local:".into(), path(b"\xff"))));
        assert_eq!(split("wéb:/a".as_bytes()), Ok(("wéb".into(), path(b"/a"))));
        assert!(split(b"w\xffb:/a").unwrap_err().contains("not UTF-8"));
        assert!(
            split(b"\xff")
                .unwrap_err()
                .contains("no path behind a colon")
        );
    }
}
