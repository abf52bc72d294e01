//! `wxec put`: copies a file or a tree to one host, or to several at once.

use std::path::PathBuf;

use wxec::Fleet;

use crate::{
    access::Access,
    args::Verbosity,
    command_error::CommandError,
    output::guest_output,
    target,
    transfer::{TransferArgs, is_remote, split_beside},
};

/// Copy a file or a tree to hosts
///
/// The path on the host begins behind the first colon that `/`, `.` or `~` follows, else behind the last one. If it ends with
/// `/` it names a directory to put SRC into, under its own name; otherwise it is the name that SRC will have there. `{host}`
/// stands for the name of each host, in both paths.
///
/// Files are hashed at both ends while they travel, written beside their place, flushed to disk, and put into it when they are
/// known to be whole. A transfer that fails or is interrupted leaves the old file as it was, and nothing of itself. When the
/// link is cut it goes on by itself; if the host stays away for 30 s, the part of a large file stays for the next time.
///
/// In a tree, files of the same size and time are skipped, and symbolic links stay links. Devices, sockets and pipes are left
/// out. Owners, ACLs and extended attributes do not travel.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A file or a directory here
    #[arg(value_name = "SRC")]
    source: PathBuf,
    /// A host and a path there, such as `web1:/etc/motd`; or several hosts with commas between them
    #[arg(value_name = "TARGET:DST")]
    target: String,
    #[command(flatten)]
    transfer: TransferArgs,
    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Examples:
  wxec put site.conf web1:/etc/nginx/conf.d/
  wxec put motd web1/sudo:/etc/motd --owner root --group adm --mode 644
  wxec put site web1,web2:/srv/www --checksum --delete
  wxec put site web1:/srv/ -n
  wxec put keys/{host}.pem web1,web2:~/.tls/key.pem --mode 600 --parents
  wxec put disk.img bastion/ssh:inner:/var/lib/images/";

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    let (target, path) = split_beside(&args.target, &args.source, "get TARGET:SRC DST")?;
    if is_remote(&args.source) {
        let message = format!("there is no {} here, and files do not travel between hosts", args.source.display());
        return Err(CommandError::usage(message).hint("`wxec get` it first, then `wxec put` it"));
    }
    let hosts = target::hosts(&target, &args.access, |several| guest_output(several, verbosity))?;
    let transfers = Fleet::from_iter(hosts.iter().cloned())
        .put(&args.source, path)
        .options(args.transfer.options(verbosity))
        .each()
        .map_err(|error| CommandError::of_transfer(&error, verbosity))?;
    args.transfer.run("sent", hosts.into_iter().zip(transfers).collect(), verbosity)
}
