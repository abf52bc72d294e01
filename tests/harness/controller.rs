//! Runs the scripted controller of `bin/controller.rs` as a process of its own.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::{
    Sshd,
    process::{Pid, kill},
};

/// A generous limit: no answer takes longer, even on the slowest machine.
const TIMEOUT: Duration = Duration::from_secs(600);

/// A process that makes calls on one host. Dropping it kills it.
pub(crate) struct Controller {
    process: Child,
    stdin: ChildStdin,
    answers: mpsc::Receiver<String>,
}

impl Controller {
    /// Starts a controller of the host at `address`, which may be one of `sshd`.
    pub(crate) fn start(address: &str, sshd: Option<&Sshd>) -> Self {
        Self::start_with(address, sshd.into_iter().flat_map(Sshd::client_environment))
    }

    /// Starts a controller with these environment variables.
    pub(crate) fn start_with<V: AsRef<OsStr>>(
        address: &str,
        variables: impl IntoIterator<Item = (&'static str, V)>,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wxec-test-controller"));
        command
            .arg(address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .envs(variables);
        let mut process = command.spawn().expect("it is built with the tests");
        let stdin = process.stdin.take().expect("it is piped");
        let stdout = BufReader::new(process.stdout.take().expect("it is piped"));
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self {
            process,
            stdin,
            answers,
        }
    }

    /// Tells it what to do next.
    #[track_caller]
    pub(crate) fn begin(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("it is alive");
    }

    /// Waits for the answer to the oldest line that has none yet.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> String {
        self.answers.recv_timeout(TIMEOUT).expect("it answers")
    }

    /// Tells it what to do, and waits for its answer.
    #[track_caller]
    pub(crate) fn tell(&mut self, line: &str) -> String {
        self.begin(line);
        self.answer()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Kills it, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        kill(self.pid());
        let _ = self.process.wait();
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.kill();
    }
}
