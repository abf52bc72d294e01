//! Listens to a cargo that builds.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{Sender, channel},
    thread,
    time::Instant,
};

use cargo_metadata::{
    Artifact, BuildScript, CompilerMessage, Message, PackageId, TargetKind,
    diagnostic::{Diagnostic, DiagnosticLevel},
};

use crate::{
    BuildError, Progress, ProgressEvent, Work,
    cargo::{command::cannot_run, running},
};

/// Most bytes of diagnostics kept: more than a person reads, and no more than a terminal or a log
/// bears.
const DIAGNOSTICS_BYTES: usize = 64 * 1024;

/// The result of a build, successful or not.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) scripts: Vec<BuildScript>,
    /// Number of crates that cargo compiled and did not find fresh.
    pub(crate) compiled: usize,
    pub(crate) errors: Vec<CompilerError>,
    /// Cargo's own complaint, from its first line with `error` on.
    pub(crate) complaint: String,
}

/// An error of rustc, and the package it is in.
#[derive(Debug)]
pub(crate) struct CompilerError {
    pub(crate) package: PackageId,
    pub(crate) code: Option<String>,
    pub(crate) rendered: String,
}

/// Runs `command`, a cargo that builds with `--message-format json`, and reports its work to
/// `progress`.
pub(crate) fn listen(
    command: &mut Command,
    work: Work<'_>,
    progress: &dyn Progress,
) -> Result<Outcome, BuildError> {
    let began = Instant::now();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut build = running::start(command).map_err(cannot_run(command))?;
    let mut listener = Listener {
        outcome: Outcome::default(),
        waited: false,
        started: false,
        work,
        progress,
    };
    listener.hear_all(&mut build.child);

    let Listener {
        mut outcome,
        started,
        ..
    } = listener;
    outcome.success = build.child.wait().map_err(cannot_run(command))?.success();
    if outcome.success && started {
        progress.report(ProgressEvent::Finished {
            work,
            compiled: outcome.compiled,
            elapsed: began.elapsed(),
        });
    }
    Ok(outcome)
}

enum Said {
    Message(Box<Message>),
    Line(String),
}

fn read_messages(stdout: impl Read + Send + 'static, said: Sender<Said>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for message in Message::parse_stream(BufReader::new(stdout)).flatten() {
            let _ = said.send(Said::Message(Box::new(message)));
        }
    })
}

fn read_lines(stderr: impl Read + Send + 'static, said: Sender<Said>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            let _ = said.send(Said::Line(String::from_utf8_lossy(&line).into_owned()));
        }
    })
}

struct Listener<'a> {
    outcome: Outcome,
    waited: bool,
    started: bool,
    work: Work<'a>,
    progress: &'a dyn Progress,
}

impl Listener<'_> {
    /// Hears all that a cargo has to say, on both its pipes, until it closes them.
    fn hear_all(&mut self, cargo: &mut Child) {
        let (said, hear) = channel();
        let stdout = cargo.stdout.take();
        let messages = stdout.map(|stdout| read_messages(stdout, said.clone()));
        let stderr = cargo.stderr.take();
        let status_lines = stderr.map(|stderr| read_lines(stderr, said));
        hear.iter().for_each(|said| self.hear(said));
        for reader in [messages, status_lines].into_iter().flatten() {
            // Ignores a reader's panic: all that it sent before has been handled.
            let _ = reader.join();
        }
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::Line(line) => self.hear_line(&line),
            Said::Message(message) => match *message {
                Message::CompilerArtifact(artifact) => self.hear_artifact(artifact),
                Message::BuildScriptExecuted(script) => self.outcome.scripts.push(script),
                Message::CompilerMessage(message) => self.hear_compiler(message),
                _ => {}
            },
        }
    }

    fn hear_line(&mut self, line: &str) {
        const DOES_SOMETHING: [&str; 5] = [
            "Compiling",
            "Downloaded",
            "Downloading",
            "Locking",
            "Updating",
        ];
        let complaint = &mut self.outcome.complaint;
        if !complaint.is_empty() || line.starts_with("error") {
            if complaint.len() + line.len() < DIAGNOSTICS_BYTES {
                complaint.push_str(line);
                complaint.push('\n');
            }
            return;
        }
        let status = line.trim_start();
        if status.starts_with("Blocking waiting for file lock") {
            self.wait();
        } else if DOES_SOMETHING.iter().any(|verb| status.starts_with(verb)) {
            self.start();
        }
    }

    /// Tells once that cargo waits: it takes several locks, one after the other.
    fn wait(&mut self) {
        if !std::mem::replace(&mut self.waited, true) {
            self.progress
                .report(ProgressEvent::Waiting { work: self.work });
        }
    }

    fn hear_artifact(&mut self, artifact: Artifact) {
        if !artifact.fresh && !artifact.target.is_kind(TargetKind::CustomBuild) {
            self.start();
            self.outcome.compiled += 1;
            self.progress.report(ProgressEvent::Compiled {
                work: self.work,
                crate_name: &artifact.target.name,
                count: self.outcome.compiled,
            });
        }
        self.outcome.artifacts.push(artifact);
    }

    fn hear_compiler(
        &mut self,
        CompilerMessage {
            package_id,
            message,
            ..
        }: CompilerMessage,
    ) {
        if !is_error(&message) {
            return;
        }
        let rendered = message.rendered.unwrap_or(message.message);
        let kept: usize = self
            .outcome
            .errors
            .iter()
            .map(|error| error.rendered.len())
            .sum();
        if kept + rendered.len() <= DIAGNOSTICS_BYTES {
            let code = message.code.map(|code| code.code);
            self.outcome.errors.push(CompilerError {
                package: package_id,
                code,
                rendered,
            });
        } else if self.outcome.errors.is_empty() {
            let rendered = rendered[..rendered.floor_char_boundary(DIAGNOSTICS_BYTES)].into();
            self.outcome.errors.push(CompilerError {
                package: package_id,
                code: None,
                rendered,
            });
        }
    }

    fn start(&mut self) {
        if !self.started {
            self.started = true;
            self.progress
                .report(ProgressEvent::Started { work: self.work });
        }
    }
}

fn is_error(message: &Diagnostic) -> bool {
    matches!(message.level, DiagnosticLevel::Error | DiagnosticLevel::Ice)
        // The summary that rustc prints after its errors is not one itself.
        && !message.message.starts_with("aborting due to")
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, process::Command};

    use super::*;

    #[derive(Default)]
    struct Script(RefCell<Vec<String>>);

    impl Progress for Script {
        fn report(&self, event: ProgressEvent<'_>) {
            let name = match event {
                ProgressEvent::Started { .. } => "started",
                ProgressEvent::Compiled { crate_name, .. } => crate_name,
                ProgressEvent::Waiting { .. } => "waiting",
                ProgressEvent::Finished { .. } => "finished",
            };
            self.0.borrow_mut().push(name.into());
        }
    }

    fn listen_to(script: &str) -> (Outcome, Vec<String>) {
        let progress = Script::default();
        let outcome = listen(
            Command::new("sh").args(["-c", script]),
            Work::Module("words"),
            &progress,
        )
        .expect("sh runs");
        (outcome, progress.0.into_inner())
    }

    #[test]
    fn a_fresh_build_is_silent() {
        let (outcome, events) = listen_to(
            "echo '    Finished `wxec` profile' >&2; echo '{\"reason\":\"build-finished\",\"success\":true}'",
        );

        assert!(outcome.success);
        assert_eq!(outcome.compiled, 0);
        assert!(events.is_empty(), "{events:?}");
    }

    #[test]
    fn waiting_and_starting_are_told_once_each() {
        let (_, events) = listen_to(
            "echo '    Blocking waiting for file lock on package cache' >&2
             echo '    Blocking waiting for file lock on build directory' >&2
             echo '   Compiling bytes v1.0.0' >&2
             echo '   Compiling words v0.1.0' >&2",
        );

        assert_eq!(events, ["waiting", "started", "finished"]);
    }

    #[test]
    fn a_complaint_is_kept_and_bounded() {
        let (outcome, events) = listen_to(
            "echo '    Updating crates.io index' >&2
             echo 'error: no matching package named `nope` found' >&2
             head -c 1000000 /dev/zero | tr '\\0' x | fold >&2
             exit 101",
        );

        assert!(!outcome.success);
        assert!(
            outcome
                .complaint
                .starts_with("error: no matching package named `nope` found\n")
        );
        assert!(outcome.complaint.len() <= DIAGNOSTICS_BYTES);
        assert_eq!(events, ["started"]);
    }
}
