//! The command to run, and its environment.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::Path,
};

use wxec_protocol::abi::{ProcessStart, ProcessStarted, StdioKind};

use super::{
    super::{ask, imports},
    Child, ExitStatus, Output,
};

/// Starts programs of the host, as `std::process::Command` does.
#[derive(Debug, Clone)]
pub struct Command {
    question: ProcessStart,
    stdin: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    /// The first text that is not Unicode, which cannot be sent to the host.
    not_unicode: Option<OsString>,
}

/// The kind of a program's standard stream.
#[derive(Debug, Clone, Copy)]
pub struct Stdio(StdioKind);

impl Stdio {
    /// Connects the stream to the task by a pipe.
    pub fn piped() -> Self {
        Self(StdioKind::Piped)
    }

    /// Gives the program the stream of the task. The input of a task is empty.
    pub fn inherit() -> Self {
        Self(StdioKind::Inherit)
    }

    /// Connects the stream to nothing: an input is empty, and an output is discarded.
    pub fn null() -> Self {
        Self(StdioKind::Null)
    }
}

impl Command {
    /// Names the program, by its name or by its path, as it was granted.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Self {
            question: ProcessStart::default(),
            stdin: None,
            stdout: None,
            stderr: None,
            not_unicode: None,
        };
        command.question.program = command.text(program.as_ref());
        command
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        let arg = self.text(arg.as_ref());
        self.question.args.push(arg);
        self
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item: AsRef<OsStr>>>(&mut self, args: I) -> &mut Self {
        for arg in args {
            self.arg(arg);
        }
        self
    }

    /// Sets a variable.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let variable = (self.text(name.as_ref()), Some(self.text(value.as_ref())));
        self.question.env.push(variable);
        self
    }

    /// Sets variables.
    pub fn envs<I, K, V>(&mut self, variables: I) -> &mut Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Removes a variable, also one that the host gives.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        let variable = (self.text(name.as_ref()), None);
        self.question.env.push(variable);
        self
    }

    /// Removes all variables: those that were set, and those that the host gives.
    pub fn env_clear(&mut self) -> &mut Self {
        self.question.env.clear();
        self.question.clear_env = true;
        self
    }

    /// Runs it in this directory, which the task must be granted to read.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.question.cwd = Some(self.text(directory.as_ref().as_os_str()));
        self
    }

    /// Sets its standard input.
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.stdin = Some(stdin.into());
        self
    }

    /// Sets its standard output.
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Sets its standard error.
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// Starts it. Its output goes where the task's output goes, unless it was set.
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.start(Stdio::inherit())
    }

    /// Runs it to its end. Its output goes where the task's output goes, unless it was set.
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.start(Stdio::inherit())?.wait()
    }

    /// Runs it to its end, and collects its output, unless that was set.
    pub fn output(&mut self) -> io::Result<Output> {
        self.start(Stdio::piped())?.wait_with_output()
    }

    fn start(&mut self, usual: Stdio) -> io::Result<Child> {
        if let Some(text) = &self.not_unicode {
            let message = format!(
                "{} is not Unicode, and cannot be sent to the host",
                text.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let question = ProcessStart {
            stdin: self.stdin.unwrap_or_else(Stdio::inherit).0,
            stdout: self.stdout.unwrap_or(usual).0,
            stderr: self.stderr.unwrap_or(usual).0,
            ..self.question.clone()
        };
        let (handle, started) = ask::ask::<ProcessStarted>(imports::process_start, &question)?;
        Ok(Child::new(handle, &started))
    }

    fn text(&mut self, text: &OsStr) -> String {
        if text.to_str().is_none() {
            self.not_unicode.get_or_insert_with(|| text.to_owned());
        }
        text.to_string_lossy().into_owned()
    }
}
