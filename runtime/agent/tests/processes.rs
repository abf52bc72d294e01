//! Processes that the agent starts, over an in-memory pipe: their input, their output, and that
//! none is left behind.
//!
//! None runs for longer than a minute, even if a test fails: a runtime does not end before the
//! processes that it waits for.
//!
//! Processes with a terminal are tested elsewhere: for those the agent starts itself again, and
//! here that would start the test.

mod pipe;

use std::{
    collections::HashMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    sync::Once,
    time::{Duration, Instant},
};

use bytes::Bytes;
use wxec_agent::ServeError;
use wxec_protocol::{
    CHUNK_BYTES, Command, ControllerEvent, Description, Digest, NARROW_WINDOW_BYTES,
    ProcessStreams, Splice, StreamEnd, StreamId,
};

use crate::pipe::{Agent, DEADLINE, Peer, ended};

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
    description: Option<Description>,
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
    static MANY_FILES: Once = Once::new();
    MANY_FILES.call_once(|| {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: maximum,
                maximum,
            },
        )
        .unwrap();
    });
    let (peer, agent) = pipe::start();
    let controller = Controller {
        peer,
        streams: HashMap::new(),
        takes: true,
        blobs: HashMap::new(),
        description: None,
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
            ControllerEvent::Description(description) => self.description = Some(description),
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

#[tokio::test(flavor = "multi_thread")]
async fn cat_echoes_megabytes_in_order() {
    let (mut controller, _agent) = start();
    let cat = controller.run(command(&["cat"])).stdio;
    let bytes = long(16 * MIB + 3);
    controller.write(cat, bytes.clone());
    controller.finish(cat).await;
    controller
        .until(|controller| controller.streams[&cat].end.is_some())
        .await;
    let stream = &controller.streams[&cat];
    assert_eq!(stream.end, Some(StreamEnd::Exited(0)));
    assert!(stream.finished && stream.data == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_of_any_length_are_echoed_in_order() {
    let (mut controller, _agent) = start();
    let cat = controller.run(command(&["cat"])).stdio;
    let bytes = long(MIB);
    let mut rest = bytes.clone();
    for length in [
        1,
        2,
        4095,
        4096,
        4097,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
    ]
    .into_iter()
    .cycle()
    {
        if rest.is_empty() {
            break;
        }
        let piece = rest.split_to(length.min(rest.len()));
        controller
            .until(|controller| controller.streams[&cat].unsent.is_empty())
            .await;
        controller.write(cat, piece);
    }
    controller
        .until(|controller| controller.streams[&cat].data.len() == bytes.len())
        .await;
    assert!(controller.streams[&cat].data == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_not_read() {
    let (mut controller, _agent) = start();
    controller.takes = false;
    let cat = controller.run(command(&["cat"])).stdio;
    let bytes = long(8 * MIB);
    controller.write(cat, bytes.clone());
    controller
        .until(|controller| controller.streams[&cat].data.len() >= MIB)
        .await;
    controller.until_quiet().await;
    // A window out and one in, and the contents of cat and the pipes around it.
    let (most, stream) = (2 * MIB + MIB / 2, &controller.streams[&cat]);
    assert_eq!(stream.data.len(), MIB, "a window");
    assert!(
        (MIB..most).contains(&stream.sent),
        "{} bytes went in, and nobody took any",
        stream.sent
    );

    controller.takes = true;
    controller.take(cat);
    controller.finish(cat).await;
    controller
        .until(|controller| controller.streams[&cat].end.is_some())
        .await;
    assert!(
        controller.streams[&cat].data == bytes,
        "nothing is lost for it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stderr_comes_apart_from_stdout() {
    let (mut controller, _agent) = start();
    let process = controller.run(shell("echo out; echo err >&2; echo more; echo worse >&2"));
    let expected = (
        "out\nmore\n".into(),
        "err\nworse\n".into(),
        StreamEnd::Exited(0),
    );
    assert_eq!(controller.ended(process).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_on_stderr_holds_up_nothing() {
    let (mut controller, _agent) = start();
    controller.takes = false;
    let process = controller.run(shell("while :; do echo noise; done >&2 & exec cat"));
    controller
        .until(|controller| controller.streams[&process.stderr].data.len() == NARROW)
        .await;
    controller.write(process.stdio, "hello".into());
    controller
        .until(|controller| controller.streams[&process.stdio].data == b"hello")
        .await;
    controller.peer.connection.ping();
    controller.until(|controller| controller.pongs == 1).await;
}

/// Prints a line in the background once a file exists, or once its directory is gone; the shell
/// itself ends at once.
fn leaves_a_printer(file: &std::path::Path) -> Command {
    let (file, directory) = (file.display(), file.parent().unwrap().display());
    shell(&format!(
        "(while [ -d {directory} ] && [ ! -e {file} ]; do sleep 0.01; done; echo late) & echo early"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_print_later_is_waited_for_if_that_is_asked_for() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("go");
    let (mut controller, _agent) = start();
    let process = controller.run(Command {
        wait_output: true,
        ..leaves_a_printer(&file)
    });
    // Meanwhile another process, whose output is not awaited, has ended.
    let other = controller.run(leaves_a_printer(&room.path().join("never")));
    assert_eq!(controller.ended(other).await.0, "early\n");
    assert_eq!(controller.streams[&process.stdio].end, None);
    std::fs::write(&file, "").unwrap();
    let ended = ("early\nlate\n".into(), String::new(), StreamEnd::Exited(0));
    assert_eq!(controller.ended_and_held(process).await, (ended, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn that_others_hold_an_output_is_said() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("go");
    let (mut controller, _agent) = start();
    let process = controller.run(leaves_a_printer(&file));
    let ended = ("early\n".into(), String::new(), StreamEnd::Exited(0));
    assert_eq!(controller.ended_and_held(process).await, (ended, true));
    std::fs::write(&file, "").unwrap();
    let waits = Command {
        wait_output: true,
        deadline_ms: Some(1000),
        ..shell("sleep 60 & echo $!")
    };
    let process = controller.run(waits);
    let ((said, _, end), is_held) = controller.ended_and_held(process).await;
    assert_eq!((end, is_held), (StreamEnd::TimedOut, false));
    // On a busy machine the shell may have been ended, with its children, before it printed.
    if !said.is_empty() {
        kill(said.trim());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn words_variables_and_directories_are_bytes() {
    let (mut controller, _agent) = start();
    let bytes = |bytes: &[u8]| bytes.to_vec().into();
    let mut command = shell("printf %s \"$0$V\" | od -An -tx1");
    command.words.push(bytes(b"\xff"));
    command.env.push((bytes(b"V"), bytes(b"\xfe=")));
    let process = controller.run(command);
    assert_eq!(controller.ended(process).await.0, " ff fe 3d\n");

    let room = tempfile::tempdir().unwrap();
    let inside = room.path().join(OsStr::from_bytes(b"\xff"));
    std::fs::create_dir(&inside).unwrap();
    let directory = Some(bytes(inside.as_os_str().as_bytes()));
    let process = controller.run(Command {
        directory,
        ..shell("pwd | tail -c 2 | od -An -tx1")
    });
    assert_eq!(controller.ended(process).await.0, " ff 0a\n");

    let process = controller.run(Command {
        words: vec![bytes(b"/no/\xff")],
        ..Command::default()
    });
    let (.., end) = controller.ended(process).await;
    assert!(
        matches!(&end, StreamEnd::NotStarted(reason) if reason.starts_with("cannot run `/no/\u{fffd}`: ")),
        "{end:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_ends_with_its_exit_code() {
    let (mut controller, _agent) = start();
    for code in [0, 1, 7, 255] {
        let process = controller.run(shell(&format!("exit {code}")));
        assert_eq!(controller.ended(process).await.2, StreamEnd::Exited(code));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_ends_by_a_signal() {
    let (mut controller, _agent) = start();
    for signal in [9, 15] {
        let process = controller.run(shell(&format!("echo last words; kill -{signal} $$")));
        let expected = (
            "last words\n".into(),
            String::new(),
            StreamEnd::Signalled(signal),
        );
        assert_eq!(controller.ended(process).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_named() {
    let (mut controller, _agent) = start();
    let process = controller.run(command(&["no-such-program", "argument"]));
    let (.., StreamEnd::NotStarted(reason)) = controller.ended(process).await else {
        panic!("it runs")
    };
    assert!(
        reason.starts_with("cannot run `no-such-program`: No such file"),
        "{reason}"
    );

    let process = controller.run(command(&["/etc/passwd"]));
    let (.., StreamEnd::NotStarted(reason)) = controller.ended(process).await else {
        panic!("it runs")
    };
    assert!(
        reason.starts_with("cannot run `/etc/passwd`: Permission denied"),
        "{reason}"
    );

    for argv in [&[][..], &[""], &["a\0b"]] {
        let process = controller.run(command(argv));
        assert!(
            matches!(controller.ended(process).await.2, StreamEnd::NotStarted(_)),
            "{argv:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_a_program_that_is_not_there_harms_no_one() {
    let (mut controller, _agent) = start();
    let process = controller.run(command(&["no-such-program"]));
    controller.write(process.stdio, long(MIB));
    controller.peer.connection.finish_stream(process.stdio);
    assert!(matches!(
        controller.ended(process).await.2,
        StreamEnd::NotStarted(_)
    ));
    let process = controller.run(command(&["echo", "fine"]));
    assert_eq!(controller.ended(process).await.0, "fine\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_set_beside_the_agents_own() {
    let (mut controller, _agent) = start();
    let env = [("WXEC_TEST", "a b"), ("EMPTY", "")]
        .map(|(name, value)| (bytes(name), bytes(value)))
        .into();
    let script = "echo \"$WXEC_TEST|${EMPTY-unset}|${PATH:+some}\"";
    let process = controller.run(Command {
        env,
        ..shell(script)
    });
    assert_eq!(controller.ended(process).await.0, "a b||some\n");
    let process = controller.run(shell("echo \"${WXEC_TEST-unset}\""));
    assert_eq!(
        controller.ended(process).await.0,
        "unset\n",
        "nor for the next"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_shell_reads_the_arguments() {
    let (mut controller, _agent) = start();
    let process = controller.run(command(&[
        "printf", "%s|", "$HOME", "a  b", "*", "", "'\"", "ü",
    ]));
    assert_eq!(controller.ended(process).await.0, "$HOME|a  b|*||'\"|ü|");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_its_stdin_ends_cat() {
    let (mut controller, _agent) = start();
    let cat = controller.run(command(&["cat"]));
    controller.write(cat.stdio, "last".into());
    controller
        .until(|controller| controller.streams[&cat.stdio].data == b"last")
        .await;
    assert_eq!(controller.streams[&cat.stdio].end, None);
    controller.peer.connection.finish_stream(cat.stdio);
    assert_eq!(
        controller.ended(cat).await,
        ("last".into(), String::new(), StreamEnd::Exited(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_may_close_its_output_and_go_on() {
    let (mut controller, _agent) = start();
    let process = controller.run(shell("exec 1>&-; cat >&2; exit 3"));
    controller
        .until(|controller| controller.streams[&process.stdio].finished)
        .await;
    controller.write(process.stdio, long(2 * MIB));
    controller.finish(process.stdio).await;
    controller
        .until(|controller| controller.streams[&process.stderr].end.is_some())
        .await;
    assert_eq!(
        controller.streams[&process.stderr].end,
        Some(StreamEnd::Exited(3))
    );
    assert!(controller.streams[&process.stderr].data == long(2 * MIB));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_process_wrote_arrives_before_its_end() {
    let (mut controller, _agent) = start();
    for length in [1, CHUNK_BYTES, MIB, 5 * MIB + 1] {
        let process = controller.run(command(&["head", "-c", &length.to_string(), "/dev/zero"]));
        let (stdout, _, end) = controller.ended(process).await;
        assert_eq!((stdout.len(), end), (length, StreamEnd::Exited(0)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_wrote_waits_for_a_slow_reader_beyond_its_end() {
    let (mut controller, _agent) = start();
    controller.takes = false;
    let length = 1_100_000;
    let head = controller.run(command(&["head", "-c", &length.to_string(), "/dev/zero"]));
    controller
        .until(|controller| controller.streams[&head.stdio].data.len() == MIB)
        .await;
    // Longer than any timeout in the agent.
    tokio::time::sleep(Duration::from_secs(2)).await;
    controller.until_quiet().await;
    assert_eq!(controller.streams[&head.stdio].data.len(), MIB, "a window");
    assert_eq!(controller.streams[&head.stdio].end, None, "there is more");

    controller.takes = true;
    controller.take(head.stdio);
    let (stdout, _, end) = controller.ended(head).await;
    assert_eq!((stdout.len(), end), (length, StreamEnd::Exited(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_does_not_read_holds_up_no_one() {
    let (mut controller, _agent) = start();
    let (deaf, numbers) = controller
        .run_and_number(shell("echo $$; exec sleep 60"))
        .await;
    controller.write(deaf.stdio, long(4 * MIB));
    let cat = controller.run(command(&["cat"]));
    controller.write(cat.stdio, long(2 * MIB));
    controller.finish(cat.stdio).await;
    controller
        .until(|controller| controller.streams[&cat.stdio].end.is_some())
        .await;
    assert!(controller.streams[&cat.stdio].data == long(2 * MIB));
    // One window, and the capacity of its pipe.
    assert!(
        controller.streams[&deaf.stdio].sent <= 2 * MIB,
        "{} bytes",
        controller.streams[&deaf.stdio].sent
    );

    controller.peer.connection.close_stream(deaf.stdio);
    controller.peer.send().await;
    gone(&numbers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_refuses_to_read_is_as_good_as_taken() {
    let (mut controller, agent) = start();
    let (process, _) = controller
        .run_and_number(shell("exec 0<&-; echo $$; exec sleep 60"))
        .await;
    controller.write(process.stdio, long(4 * MIB));
    controller
        .until(|controller| controller.streams[&process.stdio].unsent.is_empty())
        .await;
    assert_eq!(
        controller.streams[&process.stdio].end, None,
        "and it goes on"
    );
    leave(controller, agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_may_end_with_its_stdin_unread() {
    let (mut controller, _agent) = start();
    let process = controller.run(shell("echo done"));
    controller.write(process.stdio, long(4 * MIB));
    assert_eq!(
        controller.ended(process).await,
        ("done\n".into(), String::new(), StreamEnd::Exited(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_stream_ends_the_process_and_its_group() {
    let (mut controller, agent) = start();
    for script in [
        "echo $$; cat",
        "echo $$; exec sleep 60",
        "sleep 60 & echo $$ $!; wait",
        "trap '' TERM; echo $$; sleep 60",
        "trap '' TERM; sleep 60 & echo $$ $!; sleep 60",
        LEADER_ENDS,
    ] {
        let (process, numbers) = controller.run_and_number(shell(script)).await;
        controller.peer.connection.close_stream(process.stdio);
        controller.peer.send().await;
        gone(&numbers).await;
        controller
            .until(|controller| controller.streams[&process.stderr].end.is_some())
            .await;
        assert_eq!(
            controller.streams[&process.stdio].end, None,
            "nobody wants to know"
        );
    }
    leave(controller, agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_stderr_leaves_the_process_alone() {
    let (mut controller, _agent) = start();
    let cat = controller.run(shell("cat; exit 5"));
    controller.peer.connection.close_stream(cat.stderr);
    controller.write(cat.stdio, "hello".into());
    controller
        .until(|controller| controller.streams[&cat.stdio].data == b"hello")
        .await;
    controller.finish(cat.stdio).await;
    controller
        .until(|controller| controller.streams[&cat.stdio].end.is_some())
        .await;
    assert_eq!(
        controller.streams[&cat.stdio].end,
        Some(StreamEnd::Exited(5))
    );
    assert_eq!(controller.streams[&cat.stderr].end, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grandchild_that_keeps_stdout_open_does_not_hold_up_the_end() {
    let (mut controller, _agent) = start();
    let process = controller.run(shell("sleep 60 & echo $!; exit 4"));
    let (stdout, _, end) = controller.ended(process).await;
    assert_eq!(end, StreamEnd::Exited(4));
    assert!(is_running(stdout.trim()), "which is how it is kept open");
    kill(stdout.trim());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grandchild_that_floods_stdout_does_not_hold_up_the_end() {
    let (mut controller, _agent) = start();
    let process = controller.run(shell("yes & echo $! >&2; exit 4"));
    let (_, stderr, end) = controller.ended(process).await;
    assert_eq!(end, StreamEnd::Exited(4));
    gone(&[stderr.trim().into()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stderr_nobody_takes_does_not_hold_up_the_end_of_a_closed_process() {
    let (mut controller, _agent) = start();
    controller.takes = false;
    let (process, numbers) = controller
        .run_and_number(shell("echo $$; exec yes >&2"))
        .await;
    controller
        .until(|controller| controller.streams[&process.stderr].data.len() == NARROW)
        .await;
    controller.peer.connection.close_stream(process.stdio);
    controller.peer.send().await;
    gone(&numbers).await;
    // Longer than any timeout in the agent.
    tokio::time::sleep(Duration::from_secs(2)).await;
    controller.take(process.stderr);
    controller
        .until(|controller| controller.streams[&process.stderr].end.is_some())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_outlives_a_controller_that_is_gone() {
    let (mut controller, agent) = start();
    controller.takes = false;
    let mut numbers = Vec::new();
    for script in [
        "echo $$; cat",
        "echo $$; exec sleep 60",
        "sleep 60 & echo $$ $!; wait",
        "trap '' TERM; echo $$; sleep 60",
        "echo $$; while :; do echo $$; done",
        LEADER_ENDS,
    ] {
        let (process, some) = controller.run_and_number(shell(script)).await;
        controller.write(process.stdio, long(MIB));
        numbers.extend(some);
    }
    leave(controller, agent).await;
    gone(&numbers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_outlives_a_goodbye() {
    let (mut controller, agent) = start();
    let mut numbers = Vec::new();
    for script in [
        "echo $$; cat",
        "sleep 60 & echo $$ $!; wait",
        "trap '' TERM; echo $$; sleep 60",
        LEADER_ENDS,
    ] {
        numbers.extend(controller.run_and_number(shell(script)).await.1);
    }
    controller.peer.connection.close();
    controller.until(|controller| controller.closed).await;
    gone(&numbers).await;
    assert!(ended(agent).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_process_does_not_outlive_a_goodbye() {
    let (mut controller, agent) = start();
    let (process, numbers) = controller.run_and_number(shell(DEAF)).await;
    controller.peer.connection.close_stream(process.stdio);
    controller.peer.connection.close();
    controller.until(|controller| controller.closed).await;
    assert!(!any_runs(&numbers), "it was gone before the last word");
    assert!(ended(agent).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_process_does_not_outlive_the_end_of_the_pipe() {
    let (mut controller, agent) = start();
    let (process, numbers) = controller.run_and_number(shell(DEAF)).await;
    controller.peer.connection.close_stream(process.stdio);
    controller.peer.send().await;
    leave(controller, agent).await;
    assert!(!any_runs(&numbers), "it was gone before the agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_outlives_a_controller_that_talks_nonsense() {
    use tokio::io::AsyncWriteExt;

    let (mut controller, agent) = start();
    let (_, numbers) = controller
        .run_and_number(shell("sleep 60 & echo $$ $!; wait"))
        .await;
    controller.peer.pipe.write_all(&[255; 100]).await.unwrap();
    gone(&numbers).await;
    assert!(ended(agent).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_processes_at_once() {
    let (mut controller, agent) = start();
    let bytes = |at: usize| long(CHUNK_BYTES + at).slice(at..);
    let processes: Vec<_> = (0..100)
        .map(|at| controller.run(shell(&format!("cat; exit {at}"))))
        .collect();
    for (at, process) in processes.iter().enumerate() {
        controller.write(process.stdio, bytes(at));
    }
    for (at, process) in processes.iter().enumerate() {
        let id = process.stdio;
        controller
            .until(|controller| controller.streams[&id].data.len() == CHUNK_BYTES)
            .await;
        assert!(controller.streams[&id].data == bytes(at), "{at}");
        controller.finish(id).await;
    }
    for (code, process) in (0..).zip(processes) {
        let ids = [process.stdio, process.stderr];
        controller
            .until(|controller| ids.iter().all(|id| controller.streams[id].end.is_some()))
            .await;
        assert_eq!(
            controller.streams[&process.stdio].end,
            Some(StreamEnd::Exited(code))
        );
    }
    leave(controller, agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_processes_do_not_hold_up_the_end_of_another() {
    let (mut controller, agent) = start();
    for _ in 0..600 {
        controller.run(command(&["cat"]));
    }
    let process = controller.run(shell("echo fine; exit 6"));
    assert_eq!(
        controller.ended(process).await,
        ("fine\n".into(), String::new(), StreamEnd::Exited(6))
    );
    assert!(
        controller
            .streams
            .values()
            .all(|stream| stream.end.is_none()),
        "the others go on"
    );
    leave(controller, agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_after_another_leaves_room_for_the_next() {
    let (mut controller, _agent) = start();
    for _ in 0..20 {
        let processes: Vec<_> = (0..30)
            .map(|_| controller.run(command(&["true"])))
            .collect();
        for process in processes {
            assert_eq!(controller.ended(process).await.2, StreamEnd::Exited(0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_held_once_it_was_sent() {
    let (mut controller, _agent) = start();
    let blob = long(3 * MIB);
    assert!(!controller.holds(Digest::of(&blob)).await);
    assert!(controller.hold(&blob).await);
    assert!(controller.holds(Digest::of(&blob)).await);
    assert!(!controller.holds(Digest::of(b"another")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_for_which_there_is_no_room_is_not_held() {
    let (mut controller, _agent) = start();
    let (small, great) = (long(1), long((64 << 20) + 1));
    assert!(!controller.hold(&great).await);
    assert!(!controller.holds(Digest::of(&great)).await);
    assert!(controller.hold(&small).await, "others are");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_held_needs_no_more_room() {
    let (mut controller, _agent) = start();
    let blob = long(33 << 20);
    for _ in 0..2 {
        assert!(controller.hold(&blob).await);
    }
    assert!(
        !controller.hold(&blob.slice(8..)).await,
        "there is room for one"
    );
    assert!(
        controller.hold(&long(30 << 20)).await,
        "and it is counted once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_arrive_in_a_process_exact_and_in_order() {
    let (mut controller, _agent) = start();
    let [first, second] = [long(CHUNK_BYTES * 3 + 5), long(MIB / 2).slice(3..)];
    assert!(controller.hold(&first).await && controller.hold(&second).await);
    let before = controller.peer.connection.traffic().bytes_sent;

    let cat = controller.run(command(&["cat"]));
    controller.write(cat.stdio, "before ".into());
    controller.splice(cat.stdio, &first);
    controller.write(cat.stdio, " between ".into());
    controller.splice(cat.stdio, &second);
    controller.write(cat.stdio, " behind".into());
    controller.finish(cat.stdio).await;
    controller
        .until(|controller| controller.streams[&cat.stdio].end.is_some())
        .await;
    let expected = [b"before ", &*first, b" between ", &*second, b" behind"].concat();
    assert!(controller.streams[&cat.stdio].data == expected);
    assert!(
        controller.peer.connection.traffic().bytes_sent - before < 2000,
        "they travelled before"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_may_go_to_many_processes() {
    let (mut controller, _agent) = start();
    let blob = long(MIB / 2);
    assert!(controller.hold(&blob).await);
    let cats = [(); 10].map(|()| controller.run(command(&["cat"])).stdio);
    for cat in cats {
        controller.splice(cat, &blob);
        controller.splice(cat, &blob);
    }
    for cat in cats {
        controller
            .until(|controller| controller.streams[&cat].data.len() == MIB)
            .await;
        assert!(controller.streams[&cat].data == [&*blob, &*blob].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_what_is_not_held_ends_the_stream() {
    let (mut controller, _agent) = start();
    let blob = long(100);
    assert!(controller.hold(&blob).await);
    let (held, unknown) = (Digest::of(&blob), Digest::of(b"unknown"));
    for splice in [
        Splice {
            blob: unknown,
            offset: 0,
            length: 1,
        },
        Splice {
            blob: held,
            offset: 100,
            length: 1,
        },
        Splice {
            blob: held,
            offset: 0,
            length: 101,
        },
        Splice {
            blob: held,
            offset: u64::MAX,
            length: 2,
        },
    ] {
        let (process, numbers) = controller
            .run_and_number(shell("sleep 60 & echo $$ $!; wait"))
            .await;
        controller.peer.connection.splice(process.stdio, splice);
        controller
            .until(|controller| controller.streams[&process.stdio].end.is_some())
            .await;
        let reason = format!("blob {} is not held here", splice.blob);
        assert_eq!(
            controller.streams[&process.stdio].end,
            Some(StreamEnd::Failed(reason)),
            "{splice:?}"
        );
        gone(&numbers).await;
        controller
            .until(|controller| controller.streams[&process.stderr].end.is_some())
            .await;
    }
    let cat = controller.run(command(&["cat"]));
    controller.splice(cat.stdio, &blob);
    controller.finish(cat.stdio).await;
    controller
        .until(|controller| controller.streams[&cat.stdio].end.is_some())
        .await;
    assert!(
        controller.streams[&cat.stdio].data == blob,
        "others are none the wiser"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_describes_its_place() {
    let (mut controller, _agent) = start();
    controller.peer.connection.describe();
    controller
        .until(|controller| controller.description.is_some())
        .await;
    let told = controller.description.take().unwrap();
    assert_eq!(told.pid, std::process::id());
    assert_eq!(told.uid, rustix::process::getuid().as_raw());
    assert_eq!(
        told.cpus as usize,
        std::thread::available_parallelism().unwrap().get()
    );
    assert!(
        told.memory_bytes.is_some_and(|bytes| bytes > 1 << 20),
        "{told:?}"
    );
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    assert_eq!(told.open_files, files);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_runs_where_it_is_told_to() {
    let (mut controller, _agent) = start();
    let within = |directory: &str| Command {
        directory: Some(bytes(directory)),
        ..shell("pwd")
    };
    let process = controller.run(within("/usr/bin"));
    assert_eq!(controller.ended(process).await.0, "/usr/bin\n");
    let home = std::fs::canonicalize(std::env::var("HOME").unwrap()).unwrap();
    let process = controller.run(within("~"));
    assert_eq!(
        controller.ended(process).await.0,
        format!("{}\n", home.display())
    );

    for (directory, reason) in [
        ("/no/such", "No such file"),
        ("/etc/passwd", "not a directory"),
    ] {
        let process = controller.run(within(directory));
        let (.., StreamEnd::NotStarted(said)) = controller.ended(process).await else {
            panic!("it runs")
        };
        assert!(
            said.starts_with(&format!("cannot run `sh` in `{directory}`: {reason}")),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_own_variables_can_be_left_out() {
    let (mut controller, _agent) = start();
    let env = vec![(bytes("ONLY"), bytes("this"))];
    let process = controller.run(Command {
        env,
        clear_env: true,
        ..command(&["/usr/bin/env"])
    });
    assert_eq!(controller.ended(process).await.0, "ONLY=this\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_and_its_group_are_ended_at_their_deadline() {
    let (mut controller, _agent) = start();
    // The last script's line comes from a child that has set its trap; its parent has set its own
    // before.
    for script in [
        "echo $$; sleep 60",
        "sleep 60 & echo $$ $!; wait",
        "trap '' TERM; sleep 60 & echo $$ $!; sleep 60; sleep 60",
        "trap 'exit 0' TERM; sh -c 'trap \"\" TERM; echo $0 $$; sleep 60; sleep 60' $$ & wait",
    ] {
        let mut said = String::new();
        // Each script must print, and ignore signals, before its deadline: on a busy machine it
        // gets more time.
        for deadline_ms in [1_000, 5_000, 20_000] {
            let process = controller.run(Command {
                deadline_ms: Some(deadline_ms),
                ..shell(script)
            });
            let (stdout, _, end) = controller.ended(process).await;
            assert_eq!(end, StreamEnd::TimedOut, "{script}");
            said = stdout;
            if said.ends_with('\n') {
                break;
            }
        }
        let numbers: Vec<_> = said.trim_end().split(' ').map(String::from).collect();
        assert!(
            numbers.iter().all(|number| number.parse::<u32>().is_ok()),
            "{script}: {said:?}"
        );
        gone(&numbers).await;
    }
    let process = controller.run(Command {
        deadline_ms: Some(60_000),
        ..shell("exit 3")
    });
    assert_eq!(
        controller.ended(process).await.2,
        StreamEnd::Exited(3),
        "it was in time"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_reach_a_process_and_its_group() {
    let (mut controller, _agent) = start();
    // The line comes from the child after its `exec`: by then its parent's trap is set, and the
    // child has none.
    let script = "trap 'exit 9' USR1; sh -c 'echo $0 $$; exec sleep 60' $$ & wait";
    let (process, numbers) = controller.run_and_number(shell(script)).await;
    for signal in [0, -1, 99, i32::MAX] {
        controller.peer.connection.signal(process.stdio, signal);
    }
    controller.peer.connection.signal(process.stdio, 10);
    assert_eq!(
        controller.ended(process).await.2,
        StreamEnd::Exited(9),
        "its trap ran, and nothing else reached it"
    );
    gone(&numbers).await;
    controller.peer.connection.signal(process.stdio, 15);

    let (process, _) = controller.run_and_number(shell("echo $$; sleep 60")).await;
    controller.peer.connection.signal(process.stdio, 15);
    assert_eq!(controller.ended(process).await.2, StreamEnd::Signalled(15));
}
