//! Runs the tools of a build, and keeps what they say.

use std::{
    io::{self, Read},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    BuildError,
    cargo::running,
    language::{project::Project, recipe::Language},
};

/// Most bytes kept of what a tool says: more than a person reads.
const SAID_BYTES: usize = 64 * 1024;

/// Time for the last words of a tool that has ended. A server that it has left behind may hold its
/// output open for ever.
const HEARD_WITHIN: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// Runs a command of a build.
pub(crate) fn run(
    command: &mut Command,
    project: &Project,
    language: &Language,
) -> Result<(), BuildError> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let tool = command.get_program().to_string_lossy().into_owned();
    let cannot_run = |error: io::Error| BuildError::NoTool {
        tool: tool.clone(),
        language: language.title,
        problem: format!("cannot be run: {error}"),
        advice: "see docs/languages.md for the tools, and the variables that name them",
    };
    let mut build = running::start(command).map_err(cannot_run)?;
    let said = Arc::<Said>::default();
    let (stdout, stderr) = (build.child.stdout.take(), build.child.stderr.take());
    let readers = [
        stdout.map(|stdout| said.clone().listen(stdout)),
        stderr.map(|stderr| said.clone().listen(stderr)),
    ];
    let status = build.child.wait().map_err(cannot_run)?;
    let until = Instant::now() + HEARD_WITHIN;
    let is_listening = |reader: &JoinHandle<()>| !reader.is_finished();
    while readers.iter().flatten().any(is_listening) && Instant::now() < until {
        thread::sleep(PAUSE);
    }
    if status.success() {
        return Ok(());
    }
    let said = said.text();
    Err(BuildError::OtherLanguage {
        project: project.name.clone(),
        language: language.title,
        said: match said.trim() {
            "" => format!("`{tool}` ended with {status}"),
            said => said.to_owned(),
        },
    })
}

/// The words of a tool on both its streams, in the order in which they came.
#[derive(Default)]
struct Said(Mutex<Vec<u8>>);

impl Said {
    /// Hears what comes on a stream, on a thread of its own.
    fn listen(self: Arc<Self>, stream: impl Read + Send + 'static) -> JoinHandle<()> {
        thread::spawn(move || self.hear(stream))
    }

    fn hear(&self, mut stream: impl Read) {
        let mut part = [0; 4096];
        // Reads all, so that the tool never waits.
        while let Ok(length @ 1..) = stream.read(&mut part) {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let room = SAID_BYTES - kept.len();
            kept.extend_from_slice(&part[..length.min(room)]);
        }
    }

    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
