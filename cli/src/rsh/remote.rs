//! Runs a command on the host as sshd would: by the login shell of the account, in its home.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, IsTerminal},
};

use wxec::{
    Host,
    command::{Attach, ExitStatus},
};

use crate::{
    base::verbosity::Verbosity,
    hosts::attached::{at_terminal, on_terminal},
    output::command_error::CommandError,
    rsh::meaning::Terminal,
    terminal::{interrupt, stderr::say},
};

/// ssh's exit code for a fault of its own or of the connection. Tools rely on it.
pub(crate) const FAILED: u8 = 255;

/// A command for the far end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// A line for a shell, or the name of a subsystem. Empty for a shell by itself.
    pub(crate) command: Vec<u8>,
    pub(crate) is_subsystem: bool,
    pub(crate) terminal: Terminal,
    pub(crate) has_no_input: bool,
    pub(crate) environment: Vec<(OsString, OsString)>,
}

/// Script that finds the account's home and shell, and executes the shell.
const SCRIPT: &str = include_str!("remote.sh");

impl Remote {
    /// Runs the command to its end, attached to this process's stdin, stdout and stderr. Returns
    /// the exit code.
    pub(crate) fn run(&self, host: &Host, verbosity: Verbosity) -> Result<u8, CommandError> {
        let (what, argument) = self.words()?;
        if self.has_no_input {
            let replaced =
                File::open("/dev/null").and_then(|nothing| Ok(rustix::stdio::dup2_stdin(nothing)?));
            replaced.map_err(|error| {
                CommandError::usage(format!("cannot read from nowhere: {error}"))
            })?;
        }
        let command = host
            .command("sh")
            .args(["-c", SCRIPT, "wxec-rsh", what, &*argument]);
        let command = self
            .environment
            .iter()
            .fold(command, |command, (name, value)| command.env(name, value));
        let ended = if self.has_terminal() {
            at_terminal(on_terminal(command))
        } else {
            // The call ends when the command's output does, as with ssh.
            interrupt::block_on(command.wait_output().run(Attach::Here))
        };
        host.close().wait();
        match ended?.map_err(|error| CommandError::of_call(&error, verbosity).about(host))? {
            ExitStatus::Code(code) => Ok(code.to_le_bytes()[0]),
            // ssh has no exit code for a signal either.
            signal => {
                if verbosity >= Verbosity::Verbose {
                    say(&format!("wxec rsh: {host}: {signal}"));
                }
                Ok(FAILED)
            }
        }
    }

    /// Returns the script's arguments: an action, and the text that it is for.
    fn words(&self) -> Result<(&'static str, String), CommandError> {
        match &*self.command {
            b"sftp" if self.is_subsystem => Ok(("sftp", String::new())),
            name if self.is_subsystem => {
                let name = String::from_utf8_lossy(name);
                Err(
                    CommandError::usage(format!("there is no subsystem `{name}`"))
                        .hint("wxec knows `sftp`"),
                )
            }
            b"" => Ok(("shell", String::new())),
            command => Ok(match std::str::from_utf8(command) {
                Ok(command) => ("command", command.to_owned()),
                Err(_) => ("encoded", encoded(command)),
            }),
        }
    }

    fn has_terminal(&self) -> bool {
        let is_here = !self.has_no_input && io::stdin().is_terminal();
        match self.terminal {
            Terminal::Usual => is_here && self.command.is_empty(),
            Terminal::Wanted => is_here,
            Terminal::Forced => true,
            Terminal::Never => false,
        }
    }
}

/// Encodes a command that is not UTF-8 for `printf %b`: names of files may be any bytes.
fn encoded(command: &[u8]) -> String {
    let each = command.iter().map(|byte| match byte {
        b' '..=b'[' | b']'..=b'~' => char::from(*byte).to_string(),
        byte => format!("\\0{byte:03o}"),
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn remote(command: &[u8], is_subsystem: bool) -> Remote {
        let (terminal, environment) = (Terminal::Never, Vec::new());
        Remote {
            command: command.into(),
            is_subsystem,
            terminal,
            has_no_input: false,
            environment,
        }
    }

    /// Runs the script on this machine.
    fn here(command: &[u8], variables: &[(&str, &str)]) -> (Option<i32>, Vec<u8>) {
        let (what, argument) = remote(command, false).words().unwrap();
        let mut sh = Command::new("sh");
        sh.args(["-c", SCRIPT, "wxec-rsh", what, &argument])
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        let output = sh.output().unwrap();
        (output.status.code(), output.stdout)
    }

    #[test]
    fn commands_run_as_they_are_in_the_home_there_is() {
        let home = [("HOME", "/usr"), ("USER", "joe")];
        assert_eq!(
            here(b"echo \"$PWD\" $USER '  '; exit 3", &home),
            (Some(3), b"/usr joe   \n".into())
        );
        assert_eq!(here(b"echo $PWD", &[("HOME", "/no/such/home")]).1, b"/\n");
        assert_eq!(
            here(b"printf %s '\xff\\ \"$'", &home).1,
            b"\xff\\ \"$",
            "also what is no UTF-8"
        );
        assert_eq!(here(b"echo '\xff\n'", &home).1, b"\xff\n\n");
    }

    #[test]
    fn what_is_no_utf8_is_written_out() {
        assert_eq!(encoded(b"a b\\\xff\n"), r"a b\0134\0377\0012");
    }

    #[test]
    fn there_is_one_subsystem() {
        assert_eq!(remote(b"sftp", true).words().unwrap().0, "sftp");
        assert_eq!(
            remote(b"sftp", false).words().unwrap(),
            ("command", "sftp".into())
        );
        let error = remote(b"netconf", true).words().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no subsystem `netconf`; wxec knows `sftp`"
        );
        assert_eq!(remote(b"", false).words().unwrap().0, "shell");
    }
}
