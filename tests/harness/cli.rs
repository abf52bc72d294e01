//! Runs the `wxec` command.

use std::{
    env,
    ffi::OsStr,
    fs::File,
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use super::{Pid, Sshd, wait_until};

/// A generous limit: no command of a test takes longer, even on the slowest machine.
const TIMEOUT: Duration = Duration::from_secs(600);

/// A run of the command, to be started.
pub(crate) struct Cli {
    command: Command,
    input: Vec<u8>,
    output: Option<Stdio>,
}

/// A run in progress. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    stdout: File,
    stderr: File,
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if the run was killed.
    pub(crate) exit_code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The records of runs stay out of the user's own.
const STATE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/state");

impl Cli {
    /// `wxec`, with these arguments.
    pub(crate) fn new<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = command();
        command.args(arguments);
        Self {
            command,
            input: Vec::new(),
            output: None,
        }
    }

    /// `wxec` as a shell starts it: `"$@"` in `script` is the command.
    pub(crate) fn in_shell(script: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh"])
            .arg(program())
            .args(arguments)
            .env("WXEC_STATE", STATE);
        Self {
            command,
            input: Vec::new(),
            output: None,
        }
    }

    /// Adds the hosts of `sshd`, and a directory for temporary files outside of these hosts.
    pub(crate) fn hosts(mut self, sshd: &Sshd) -> Self {
        self.command.envs(sshd.client_environment());
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets several environment variables.
    pub(crate) fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.command.envs(variables);
        self
    }

    /// Sets the working directory, which is otherwise that of this package.
    pub(crate) fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Sets the standard input, which is otherwise empty.
    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sends the standard output elsewhere, so that it is not kept.
    pub(crate) fn output(mut self, output: impl Into<Stdio>) -> Self {
        self.output = Some(output.into());
        self
    }

    /// Runs the command to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Ended {
        self.start().wait()
    }

    /// Starts the command.
    pub(crate) fn start(mut self) -> Running {
        // Files rather than pipes: a file takes any amount without a reader, and does not wait for
        // processes that are left behind.
        let file = || tempfile::tempfile().expect("a temporary file");
        let (stdout, stderr) = (file(), file());
        let writer = |file: &File| Stdio::from(file.try_clone().expect("a second handle"));
        let output = self.output.take().unwrap_or_else(|| writer(&stdout));
        self.command
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(writer(&stderr));
        let mut child = self
            .command
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        let mut stdin = child.stdin.take().expect("it is piped");
        // The command need not read its input to the end.
        thread::spawn(move || _ = stdin.write_all(&self.input));
        Running {
            child,
            stdout,
            stderr,
        }
    }
}

impl Ended {
    /// Returns the statistics that `--stats` printed.
    #[track_caller]
    pub(crate) fn stats(&self) -> serde_json::Value {
        let line = self.stderr.lines().find(|line| line.starts_with('{'));
        line.and_then(|line| serde_json::from_str(line).ok())
            .unwrap_or_else(|| panic!("no stats: {self:?}"))
    }

    /// Asserts that the run succeeded and printed this value.
    #[track_caller]
    pub(crate) fn is(&self, value: &str) {
        assert_eq!(
            (self.exit_code, self.stdout.trim()),
            (Some(0), value),
            "{self:?}"
        );
    }

    /// Returns the one line that says what went wrong on the way to a host.
    #[track_caller]
    pub(crate) fn unreachable(&self) -> &str {
        let lines: Vec<_> = self
            .stderr
            .lines()
            .filter(|line| !line.starts_with('{'))
            .collect();
        let [line] = *lines else {
            panic!("one line: {self:?}")
        };
        assert!(
            self.exit_code == Some(3) && self.stdout.is_empty(),
            "{self:?}"
        );
        line
    }
}

impl Running {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the run to end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let mut status = None;
        wait_until(TIMEOUT, "the command ends", || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        Ended {
            exit_code: status.and_then(|status| status.code()),
            stdout: text(&mut self.stdout),
            stderr: text(&mut self.stderr),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!(
                "wxec said: {}{}",
                text(&mut self.stdout),
                text(&mut self.stderr)
            );
        }
    }
}

/// Reads all that this or another process wrote to a file.
fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .expect("the file can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the command `wxec`, whose records of runs stay out of the user's own.
pub(crate) fn command() -> Command {
    let mut command = Command::new(program());
    command.env("WXEC_STATE", STATE);
    command
}

/// Returns the path of `wxec`. Cargo tells a package only the paths of its own programs, but puts
/// all programs next to the directory of the tests.
pub(crate) fn program() -> PathBuf {
    let test = env::current_exe().expect("the path of this program");
    let path = test
        .ancestors()
        .nth(2)
        .expect("a test is in target/PROFILE/deps")
        .join("wxec");
    assert!(
        path.exists(),
        "{} is not there; build it: cargo build -p wxec-cli",
        path.display()
    );
    path
}
