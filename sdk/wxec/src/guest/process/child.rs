//! A program that was started.

use std::io;

use wxec_protocol::abi::{ProcessEnd, ProcessStarted};

use super::{
    super::{ask, imports},
    ChildStderr, ChildStdin, ChildStdout, ExitStatus, pipes,
};

/// The signal that a process cannot catch.
const SIGKILL: i32 = 9;

/// A program that was started. If this is dropped, the program runs on until the call ends.
#[derive(Debug)]
pub struct Child {
    handle: i32,
    id: u32,
    status: Option<ExitStatus>,
    /// Its standard input, if that is piped.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if that is piped.
    pub stdout: Option<ChildStdout>,
    /// Its standard error, if that is piped.
    pub stderr: Option<ChildStderr>,
}

/// The exit status of a program, and its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status.
    pub status: ExitStatus,
    /// Its standard output, if that was piped.
    pub stdout: Vec<u8>,
    /// Its standard error, if that was piped.
    pub stderr: Vec<u8>,
}

impl Child {
    pub(super) fn new(handle: i32, started: &ProcessStarted) -> Self {
        let (stdin, stdout, stderr) = pipes::connect(started);
        Self {
            handle,
            id: started.id,
            status: None,
            stdin,
            stdout,
            stderr,
        }
    }

    /// Returns its process id on the host.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Kills it, if it has not ended.
    pub fn kill(&mut self) -> io::Result<()> {
        if self.try_wait()?.is_some() {
            return Ok(());
        }
        ask::done(imports::process_kill(self.handle, SIGKILL)).map(drop)
    }

    /// Closes its input and waits until it has ended.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        if let Some(status) = self.status {
            return Ok(status);
        }
        let (_, end) = ask::reply::<ProcessEnd>(imports::process_wait(self.handle))?;
        Ok(*self.status.insert(ExitStatus::new(end)))
    }

    /// Returns its exit status, if it has ended.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            let (_, end) =
                ask::reply::<Option<ProcessEnd>>(imports::process_try_wait(self.handle))?;
            self.status = end.map(ExitStatus::new);
        }
        Ok(self.status)
    }

    /// Closes its input, reads its output to the end, and waits until it has ended.
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (stdout, stderr) = pipes::read_to_end(self.stdout.take(), self.stderr.take())?;
        Ok(Output {
            status: self.wait()?,
            stdout,
            stderr,
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = imports::process_forget(self.handle);
    }
}
