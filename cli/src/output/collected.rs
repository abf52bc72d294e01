//! Output of programs that is printed when they have ended.

use clap::ValueEnum;
use wxec::{
    Host,
    call::Value,
    command::{CommandOutput, ExitStatus, ProgramOutput},
};

use crate::{
    output::{
        command_error::CommandError,
        fold::Folded,
        results::{Format, Results, Style},
    },
    terminal::{
        stderr::say_tagged,
        stdout::{print_line, print_lines_tagged},
        text::lines,
    },
    value::json::{text_or_base64, to_json},
};

/// The form of a program's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// As it comes, line by line
    Stream,
    /// Host by host, when the program has ended there
    Grouped,
    /// One JSON object for each host, when the program has ended there: {"host": …, "code": …,
    /// "stdout": …, "stderr": …}; output that is not UTF-8 is {"base64": …}
    Json,
    #[value(skip)]
    Ndjson,
    /// Equal output of several hosts together, when the program has ended everywhere.
    #[value(skip)]
    Folded,
}

/// The format of a program's output, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgramFormat {
    /// One JSON object in a line, when the program has ended: {"host": …, "value": {"code": …,
    /// "stdout": …, "stderr": …}} or {"host": …, "error": …}; for several hosts the events of the
    /// run, as they happen (see docs/history.md). Output that is not UTF-8 is {"base64": …}
    Ndjson,
}

/// A program that has ended.
pub(crate) struct EndedProgram {
    code: Value,
    signal: Value,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl From<CommandOutput> for EndedProgram {
    fn from(output: CommandOutput) -> Self {
        let (code, signal) = match output.status {
            ExitStatus::Code(code) => (code.into(), Value::Null),
            ExitStatus::Signal(signal) => (Value::Null, signal.into()),
            _ => (Value::Null, Value::Null),
        };
        Self {
            code,
            signal,
            stdout: output.stdout,
            stderr: output.stderr,
        }
    }
}

impl From<ProgramOutput> for EndedProgram {
    fn from(output: ProgramOutput) -> Self {
        Self {
            code: output.exit.code.into(),
            signal: Value::Null,
            stdout: output.stdout,
            stderr: output.stderr,
        }
    }
}

impl EndedProgram {
    fn entries(self) -> Vec<(Value, Value)> {
        let entries = [
            ("code", self.code),
            ("signal", self.signal),
            ("stdout", text_or_base64(self.stdout)),
            ("stderr", text_or_base64(self.stderr)),
        ];
        let entries = entries.map(|(key, value)| (key.into(), value));
        entries.into()
    }
}

/// Output of programs on hosts, printed in one form.
pub(crate) struct Collected {
    form: Form,
    results: Results,
    stdout: Folded,
    stderr: Folded,
}

impl Collected {
    /// The style of results in the form [`Form::Ndjson`].
    pub(crate) const EVENTS: Style = Style::Format(Format::Ndjson);

    pub(crate) fn new(form: Form, hosts: &[Host], several: bool) -> Self {
        Self {
            form,
            results: Results::new(Self::EVENTS, several),
            stdout: Folded::of(hosts),
            stderr: Folded::of(hosts),
        }
    }

    /// Takes the output of a host. Returns it if it belongs to an event of the run.
    pub(crate) fn add(&mut self, host: &str, ended: EndedProgram) -> Option<Value> {
        match self.form {
            Form::Ndjson => return self.results.value(host, Value::Map(ended.entries())),
            Form::Json => print_object(host, ended),
            Form::Folded => {
                self.stdout.add(host, ended.stdout);
                self.stderr.add(host, ended.stderr);
            }
            Form::Stream | Form::Grouped => {
                say_output(host, &ended.stderr);
                print_output(host, &ended.stdout);
            }
        }
        None
    }

    /// Records that a host has no output. The caller prints the error itself on stderr.
    pub(crate) fn failure(&mut self, host: &str, error: &CommandError) {
        if self.form == Form::Ndjson {
            self.results.failure(host, error);
        }
    }

    /// Prints what had to wait for the last host.
    pub(crate) fn finish(self) {
        self.stderr.print(say_output);
        self.stdout.print(print_output);
    }
}

fn print_object(host: &str, ended: EndedProgram) {
    let mut object = vec![("host".into(), host.into())];
    object.extend(ended.entries());
    print_line(&to_json(&Value::Map(object)));
}

fn say_output(host: &str, text: &[u8]) {
    if !text.is_empty() {
        lines(text).for_each(|line| say_tagged(host, line));
    }
}

fn print_output(host: &str, text: &[u8]) {
    if !text.is_empty() {
        print_lines_tagged(host, text);
    }
}
