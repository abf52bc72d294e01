//! Processes that the agent starts: their input, their output, and that none is left behind.
//!
//! None runs for longer than a minute, even if a test fails: a runtime does not end before the
//! processes that it waits for.
//!
//! Processes with a terminal are tested elsewhere: for those the agent starts itself again, and
//! here that would start the test.

/// Blobs that an agent holds, and puts into processes.
mod blobs;
/// Words, variables and directories of processes, and programs that are not there.
mod commands;
/// Data in both directions: its order, its windows, and readers that are slow.
mod data;
/// Ends: exit codes, signals, deadlines, and outputs that other processes hold.
mod ends;
/// Many processes, at once and after each other.
mod many;
/// Processes that the controller closes or leaves: none is left behind.
mod none_left;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use wxec_agent::ServeError;
use wxec_protocol::{
    CHUNK_BYTES, Command, ControllerEvent, Digest, NARROW_WINDOW_BYTES, ProcessStreams, Splice,
    StreamEnd, StreamId,
};

use crate::{Agent, DEADLINE, Peer, ended};

const MIB: usize = 1 << 20;

/// Bytes that stderr may have under way.
#[expect(clippy::cast_possible_truncation, reason = "32 KiB")]
const NARROW: usize = NARROW_WINDOW_BYTES as usize;

/// A controller that sends as fast as credit allows, and takes all received data unless `takes` is
/// false.
struct Controller {
    peer: Peer,
    streams: HashMap<StreamId, Stream>,
    takes: bool,
    blobs: HashMap<Digest, bool>,
    pongs: usize,
    closed: bool,
}

#[derive(Default)]
struct Stream {
    /// Credit left, and bytes that wait for it.
    credit: u64,
    unsent: Bytes,
    sent: usize,
    /// Received data, and how much of it was not taken yet.
    data: Vec<u8>,
    untaken: u64,
    finished: bool,
    end: Option<StreamEnd>,
}

fn start() -> (Controller, Agent) {
    let (peer, agent) = crate::start();
    let controller = Controller {
        peer,
        streams: HashMap::new(),
        takes: true,
        blobs: HashMap::new(),
        pongs: 0,
        closed: false,
    };
    (controller, agent)
}

fn command(argv: &[&str]) -> Command {
    Command::new(argv.iter().copied())
}

/// Bytes of a variable's name or value.
fn bytes<T: From<Vec<u8>>>(text: &str) -> T {
    T::from(text.as_bytes().to_vec())
}

fn shell(script: &str) -> Command {
    command(&["sh", "-c", script])
}

/// Ends by itself when its stdin ends, and leaves behind a process that has none of its files.
const LEADER_ENDS: &str = "sleep 60 >/dev/null 2>&1 & echo $$ $!; cat";

/// Ignores SIGTERM.
const DEAF: &str = "trap '' TERM; echo $$; exec sleep 60";

/// Returns `length` bytes in which no two parts are alike.
fn long(length: usize) -> Bytes {
    let bytes: Vec<u8> = (0..length.div_ceil(8))
        .flat_map(usize::to_le_bytes)
        .take(length)
        .collect();
    bytes.into()
}

impl Controller {
    fn run(&mut self, command: Command) -> ProcessStreams {
        let streams = self.peer.connection.start(command, false);
        for id in [streams.stdio, streams.stderr] {
            self.streams.insert(
                id,
                Stream {
                    credit: id.window_bytes(),
                    ..Stream::default()
                },
            );
        }
        streams
    }

    /// Sends `bytes`, as credit allows.
    fn write(&mut self, id: StreamId, bytes: Bytes) {
        let stream = self.streams.get_mut(&id).unwrap();
        assert!(stream.unsent.is_empty(), "one after the other");
        stream.unsent = bytes;
        self.send_unsent(id);
    }

    fn send_unsent(&mut self, id: StreamId) {
        let stream = self.streams.get_mut(&id).unwrap();
        let length = stream
            .unsent
            .len()
            .min(usize::try_from(stream.credit).unwrap());
        stream.credit -= length as u64;
        stream.sent += length;
        self.peer
            .connection
            .send(id, stream.unsent.split_to(length));
    }

    /// Makes the agent put a whole blob into a stream, which has credit for it.
    fn splice(&mut self, id: StreamId, blob: &Bytes) {
        let digest = Digest::of(blob);
        for offset in (0..blob.len()).step_by(CHUNK_BYTES) {
            let length = CHUNK_BYTES.min(blob.len() - offset) as u64;
            self.streams.get_mut(&id).unwrap().credit -= length;
            self.peer.connection.splice(
                id,
                Splice {
                    blob: digest,
                    offset: offset as u64,
                    length,
                },
            );
        }
    }

    /// Ends a stream's input, once everything is sent.
    async fn finish(&mut self, id: StreamId) {
        self.until(|controller| controller.streams[&id].unsent.is_empty())
            .await;
        self.peer.connection.finish_stream(id);
    }

    fn handle(&mut self, event: ControllerEvent) {
        match event {
            ControllerEvent::Data { id, bytes } => {
                let stream = self.streams.get_mut(&id).unwrap();
                assert!(
                    !stream.finished && stream.end.is_none(),
                    "nothing follows the end"
                );
                stream.data.extend_from_slice(&bytes);
                stream.untaken += bytes.len() as u64;
                if self.takes {
                    self.take(id);
                }
            }
            ControllerEvent::Credit { id, bytes } => {
                self.streams.get_mut(&id).unwrap().credit += bytes;
                self.send_unsent(id);
            }
            ControllerEvent::Finished { id } => self.streams.get_mut(&id).unwrap().finished = true,
            ControllerEvent::StreamClosed { id, end } => {
                let before = self.streams.get_mut(&id).unwrap().end.replace(end);
                assert_eq!(before, None, "a stream ends once");
            }
            ControllerEvent::Blob { digest, held } => _ = self.blobs.insert(digest, held),
            ControllerEvent::Pong => self.pongs += 1,
            ControllerEvent::Closed => self.closed = true,
            ControllerEvent::Ready { .. } => {}
            event => panic!("{event:?}"),
        }
    }

    fn take(&mut self, id: StreamId) {
        let untaken = std::mem::take(&mut self.streams.get_mut(&id).unwrap().untaken);
        self.peer.connection.taken(id, untaken);
    }

    /// Handles events until `is_so` returns true.
    async fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        // Longer than the agent may be silent: on a busy machine it may have many events to send.
        let give_up = Instant::now() + 4 * DEADLINE;
        while !is_so(self) {
            assert!(Instant::now() < give_up, "it never was so");
            let event = self.peer.event().await;
            self.handle(event);
        }
    }

    /// Handles events until the agent has been silent for a while. A test must also pass if the
    /// silence comes too early.
    async fn until_quiet(&mut self) {
        while let Some(event) = self.peer.event_within(Duration::from_millis(300)).await {
            self.handle(event);
        }
    }

    /// Handles events until a process has ended; returns its stdout, its stderr and its end.
    async fn ended(&mut self, process: ProcessStreams) -> (String, String, StreamEnd) {
        self.ended_and_held(process).await.0
    }

    /// Does the same, and also returns whether other processes hold its output.
    async fn ended_and_held(
        &mut self,
        process: ProcessStreams,
    ) -> ((String, String, StreamEnd), bool) {
        let ids = [process.stdio, process.stderr];
        self.until(|controller| ids.iter().all(|id| controller.streams[id].end.is_some()))
            .await;
        let [stdout, stderr] = ids.map(|id| self.streams.remove(&id).unwrap());
        let is_held = stderr.end == Some(StreamEnd::Held);
        assert!(
            is_held || stdout.end == stderr.end,
            "both tell the same: {:?}, {:?}",
            stdout.end,
            stderr.end
        );
        let [out, err] = [stdout.data, stderr.data].map(|data| String::from_utf8(data).unwrap());
        ((out, err, stdout.end.unwrap()), is_held)
    }

    /// Starts a command that prints the ids of its processes in its first line, and returns the
    /// ids.
    async fn run_and_number(&mut self, command: Command) -> (ProcessStreams, Vec<String>) {
        let process = self.run(command);
        self.until(|controller| controller.streams[&process.stdio].data.contains(&b'\n'))
            .await;
        let said = str::from_utf8(&self.streams[&process.stdio].data).unwrap();
        let numbers: Vec<_> = said
            .lines()
            .next()
            .unwrap_or_default()
            .split(' ')
            .map(String::from)
            .collect();
        assert!(
            numbers.iter().all(|number| is_running(number)),
            "{numbers:?}"
        );
        (process, numbers)
    }

    /// Makes the agent hold a blob; returns whether it did.
    async fn hold(&mut self, blob: &Bytes) -> bool {
        let digest = Digest::of(blob);
        self.peer.connection.send_blob(digest, blob.clone());
        self.until(|controller| controller.blobs.contains_key(&digest))
            .await;
        self.blobs.remove(&digest).unwrap()
    }

    /// Asks whether the agent holds a blob.
    async fn holds(&mut self, digest: Digest) -> bool {
        self.peer.connection.ask_blob(digest);
        self.until(|controller| controller.blobs.contains_key(&digest))
            .await;
        self.blobs.remove(&digest).unwrap()
    }
}

/// Returns true if a process with this id exists and is not a zombie.
fn is_running(number: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{number}/stat")) else {
        return false;
    };
    // The process name comes before the state, in parentheses, and may contain parentheses.
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, state)| state.chars().next());
    !matches!(state, Some('Z' | 'X') | None)
}

/// Returns true if any of these processes runs.
fn any_runs(numbers: &[String]) -> bool {
    numbers.iter().any(|number| is_running(number))
}

/// Waits until none of these processes runs.
async fn gone(numbers: &[String]) {
    let give_up = Instant::now() + DEADLINE;
    while let Some(number) = numbers.iter().find(|number| is_running(number)) {
        assert!(Instant::now() < give_up, "process {number} is left behind");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Drops the controller without a goodbye. The agent ends; a failed write may be its first sign.
async fn leave(controller: Controller, agent: Agent) {
    drop(controller);
    let ended = ended(agent).await;
    assert!(
        matches!(ended, Ok(()) | Err(ServeError::Pipe(_))),
        "{ended:?}"
    );
}

/// Ends a process that a test has left behind on purpose.
fn kill(number: &str) {
    let pid = rustix::process::Pid::from_raw(number.parse().unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}
