//! `wxec put`: copies a file or a tree to one host, or to several at once.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use wxec::{
    Fleet, Host,
    history::RunWork,
    transfer::{Transfer, TransferError, TransferOptions},
};

use crate::{
    args::{
        connect_args::ConnectArgs,
        remote_path::{is_remote, is_standard, names_directory, split_beside},
        target,
        transfer_args::TransferArgs,
    },
    base::verbosity::Verbosity,
    output::{command_error::CommandError, guest_output::guest_output},
    transfer::run::{Ends, Transfers, run as run_transfers},
};

/// Copy files or trees to hosts
///
/// The path on the host begins after the first colon that is followed by `/`, `.` or `~`, else
/// after the last colon. If it ends with `/` it names a directory to put SRC into, under its own
/// name; otherwise it is the name that SRC gets there. `{host}` stands for the name of each host,
/// in both paths. `~` is the home directory on the host, and `~app` that of the account `app`.
///
/// Several SRC go into one directory, whose name has to end with `/`. `-` is standard input, and
/// goes to one host, into the file that DST names; a file called `-` is written `./-`.
///
/// Files are hashed at both ends while they travel, written to temporary files beside their
/// destination, flushed to disk, and renamed when they are known to be whole. A transfer that fails
/// or is interrupted leaves the old file as it was, and no temporary file. When the link is cut,
/// wxec reconnects and resumes; if the host stays away for 30 s, the part of a large file is kept
/// for the next time.
///
/// In a tree, files of the same size and time are skipped, and symbolic links stay links. Devices,
/// sockets and pipes are left out, and never replaced. Files and directories that cannot be read or
/// written are left out and named at the end, and the exit code is 1; all others are transferred.
/// Existing directories keep their modes. Holes of files stay holes. Owners, ACLs and extended
/// attributes are not copied.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A file or a directory here, or several; or `-`
    #[arg(value_name = "SRC", required = true)]
    sources: Vec<PathBuf>,
    /// A host and a path there, such as `web1:/etc/motd`; or several hosts, as in `@web:/etc/motd`
    #[arg(value_name = "TARGET:DST")]
    target: String,
    #[command(flatten)]
    transfer: TransferArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

const EXAMPLES: &str = "\
Examples:
  wxec put site.conf web1:/etc/nginx/conf.d/
  wxec put motd web1/sudo:/etc/motd --owner root --group adm --mode 644
  wxec put *.conf web1:/etc/nginx/conf.d/
  pg_dump app | wxec put - web1:/srv/app.sql
  wxec put site web1,web2:/srv/www --checksum --delete
  wxec put site web1:/srv/ -n
  wxec put keys/{host}.pem web1,web2:~/.tls/key.pem --mode 600 --parents
  wxec put disk.img bastion/ssh:inner:/var/lib/images/";

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    // The target of `put` comes last; the first word may have been meant as the target.
    let first = args.sources.first().expect("clap asks for one");
    let (target, path) = split_beside(&args.target, first, "get TARGET:SRC DST")?;
    if let Some(source) = args.sources.iter().find(|source| is_remote(source)) {
        let message = format!(
            "there is no {} here, and files do not travel between hosts",
            source.display()
        );
        return Err(CommandError::usage(message).hint("`wxec get` it first, then `wxec put` it"));
    }
    check_names(&args.sources, &path)?;
    let hosts = target::hosts(&target, &args.connect, |several| {
        guest_output(several, verbosity)
    })?;
    let chosen = args.transfer.rollout.chosen(hosts)?;
    let options = args.transfer.options(verbosity);
    let (each, ends) = if args.sources.iter().any(|source| is_standard(source)) {
        (vec![of_stdin(&chosen.hosts, &path, options)?], Ends::Stdin)
    } else {
        let each = of_files(&args.sources, &chosen.hosts, &path, &options)
            .map_err(|error| CommandError::of_transfer(&error, verbosity))?;
        (each, Ends::Files)
    };
    let sources: Vec<_> = args
        .sources
        .iter()
        .map(|source| source.to_string_lossy())
        .collect();
    let work = RunWork {
        command: "put".into(),
        what: format!("{} to {}", sources.join(" "), path.display()),
        target,
        ..RunWork::default()
    };
    let transfers = Transfers {
        chosen,
        work,
        each,
        ends,
    };
    run_transfers(&args.transfer, transfers, verbosity)
}

/// Returns the transfer of standard input, which nothing else goes along with.
fn of_stdin(
    hosts: &[Host],
    path: &Path,
    options: TransferOptions,
) -> Result<Vec<Transfer>, CommandError> {
    let [host] = hosts else {
        let message = format!("standard input goes to one host, not to {}", hosts.len());
        return Err(
            CommandError::usage(message).hint("put it into a file here, and that to all of them")
        );
    };
    Ok(vec![
        host.put_reader(std::io::stdin(), path).options(options),
    ])
}

/// Returns the transfers of all `sources` for each host.
fn of_files(
    sources: &[PathBuf],
    hosts: &[Host],
    path: &Path,
    options: &TransferOptions,
) -> Result<Vec<Vec<Transfer>>, TransferError> {
    let mut transfers = vec![Vec::new(); hosts.len()];
    for source in sources {
        let each = Fleet::from_iter(hosts.iter().cloned())
            .put(source, path)
            .options(options.clone())
            .each()?;
        for (own, transfer) in transfers.iter_mut().zip(each) {
            own.push(transfer);
        }
    }
    Ok(transfers)
}

/// Checks that several sources go into a directory, under different names. Standard input has no
/// name.
fn check_names(sources: &[PathBuf], path: &Path) -> Result<(), CommandError> {
    let directory = names_directory(path);
    if sources.iter().any(|source| is_standard(source)) && (directory || sources.len() > 1) {
        let message = "standard input has no name to be put under";
        return Err(CommandError::usage(message)
            .hint("write `-` alone, and name the file, as in `web1:/srv/dump.sql`"));
    }
    if sources.len() < 2 {
        return Ok(());
    }
    if !directory {
        let message = format!("{} sources go into a directory", sources.len());
        return Err(CommandError::usage(message)
            .hint(format!("write `{}/` if that is one", path.display())));
    }
    let mut taken = HashMap::new();
    for source in sources {
        let name = source
            .canonicalize()
            .ok()
            .and_then(|path| Some(path.file_name()?.to_owned()));
        let name = source.file_name().map(ToOwned::to_owned).or(name);
        if let Some(other) = taken.insert(name, source) {
            let message = format!(
                "{} and {} have the same name",
                other.display(),
                source.display()
            );
            return Err(CommandError::usage(message)
                .hint("put them one by one, each under a name of its own"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_sources_need_a_directory_and_names() {
        let check = |sources: &[&str], path: &str| {
            let sources: Vec<_> = sources.iter().map(PathBuf::from).collect();
            check_names(&sources, Path::new(path)).map_err(|error| error.to_string())
        };
        for (sources, path) in [
            (&["a", "b/c"][..], "d/"),
            (&["a", "b"], "."),
            (&["a"], "d"),
            (&["-"], "d"),
            (&["a", "b"], "~"),
        ] {
            assert_eq!(check(sources, path), Ok(()));
        }
        assert_eq!(
            check(&["a", "b"], "/d"),
            Err("2 sources go into a directory; write `/d/` if that is one".into())
        );
        assert_eq!(
            check(&["a/x", "x", "b/x/"], "d/"),
            Err(
                "a/x and x have the same name; put them one by one, each under a name of its own"
                    .into()
            )
        );
        for (sources, path) in [(&["-"][..], "d/"), (&["-", "a"], "d/"), (&["-", "-"], "d")] {
            assert!(
                check(sources, path)
                    .unwrap_err()
                    .starts_with("standard input has no name")
            );
        }
    }
}
