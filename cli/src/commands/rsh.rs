//! Help and completions of `wxec rsh`. [`crate::rsh`] does the work.

use std::ffi::OsString;

use crate::rsh;

/// Act as ssh for rsync, scp, sftp, git and others, over any address
///
/// COMMAND, its words joined with spaces, is run by the login shell of the account on the host, in
/// its home; without COMMAND, the shell runs by itself. The exit code is the command's own, or 255
/// if wxec failed.
///
/// HOST is an address. Tools allow no `/` in a host, and split at the first `:`. rsync, scp -O and
/// git take an address as it is, and wxec reassembles it from what they pass on; all tools take it
/// in brackets, with `,` for `/`. Where `:` and a path follow an address as it is, the path begins
/// after the first `:` that is followed by `/`, `.` or `~`, else after the last `:`.
///
/// Of ssh's options, -l and -p apply to the last `ssh:` of the address. -F, -i, -J, -o and others
/// about connecting apply to the ssh that runs here, so to its first hop. -t, -T, -n, -s, -G, -o
/// SendEnv and -o SetEnv do what they do for ssh. Agents and X11 are not forwarded. Options that
/// ask for other forwarding or for the background are refused.
///
/// wxec's own options, such as --become-pass-file, may stand among ssh's, or in WXEC_RSH_OPTIONS. A
/// link to `wxec` with the name wxec-rsh is `wxec rsh`, for tools that take a program without
/// arguments. As tools take addresses from submodules and the like, `exec:`, `docker-run:` and
/// `podman-run:` need --trust-address, and HOST may be a name of an inventory only if --inventory or
/// WXEC_INVENTORY names that.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, disable_help_flag = true, override_usage = "wxec rsh [OPTION…] HOST [COMMAND…]")]
pub(crate) struct Args {
    /// ssh's options, an address, and the command to run there
    #[arg(
        value_name = "WORD",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) words: Vec<OsString>,
}

const EXAMPLES: &str = r#"Examples:
  rsync -a -e "wxec rsh" src/ ssh:bastion/sudo:app:dst/
  rsync -a -e "wxec rsh" '[docker:web]:/srv/' copy/
  ln -s "$(command -v wxec)" ~/.local/bin/wxec-rsh
  scp -S wxec-rsh notes.txt '[ssh:bastion,sudo:app]:'
  scp -O -S wxec-rsh notes.txt ssh:bastion/sudo:app:
  sftp -S wxec-rsh '[ssh:bastion,sudo:app]'
  GIT_SSH_COMMAND="wxec rsh" git clone ssh:bastion/sudo:app:repo.git
  wxec rsh -t ssh:bastion/sudo:app"#;

/// Runs a command on a host, as ssh would. `wxec` makes the whole command line, for the help.
/// Reached only if an option of `wxec` itself stands before `rsh`: see `main`.
pub(crate) fn run(args: Args, wxec: fn() -> clap::Command) -> u8 {
    rsh::run::main(args.words, wxec)
}
