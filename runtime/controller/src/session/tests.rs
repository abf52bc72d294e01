//! Sessions with a scripted agent behind two pipes: threads that wait for calls, beside each other
//! and beside asynchronous callers.

use std::{
    io::{PipeReader, PipeWriter, Read, Write, pipe},
    thread::scope,
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::oneshot;
use wxec_protocol::{
    AgentConnection, AgentEvent, CHUNK_BYTES, CallId, CallRequest, Fault, OutputStream, StreamId,
    Target, Usage,
};

use super::{
    call::Late,
    output::{GuestOutput, Lines, OutputHandler},
    pipe::Pipe,
    stderr::StderrTail,
    transport::{ChildGroup, Ending, Reader, Transport, Writer},
    *,
};
use crate::base::{
    runtime::{Background, occupied},
    wait::block_on,
};

/// An agent that does what the test says.
struct Peer {
    agent: AgentConnection,
    from: PipeReader,
    to: PipeWriter,
}

impl Peer {
    fn send(&mut self) {
        let mut wire = Vec::new();
        loop {
            wire.clear();
            self.agent.poll_transmit(&mut wire);
            if wire.is_empty() {
                return;
            }
            self.to.write_all(&wire).unwrap();
        }
    }

    /// Waits for the next event beside the module that the first call brings along. `None` if the
    /// controller has gone.
    fn event(&mut self) -> Option<AgentEvent> {
        let mut part = vec![0; 1 << 16];
        loop {
            self.send();
            match self.agent.poll_event() {
                Some(AgentEvent::Module { .. }) => continue,
                Some(event) => return Some(event),
                None => {}
            }
            match self.from.read(&mut part).unwrap() {
                0 => return None,
                length => self.agent.handle_input(&part[..length]).unwrap(),
            }
        }
    }

    /// Waits for a call with this input.
    fn call(&mut self, input: &str) -> CallId {
        match self.event() {
            Some(AgentEvent::Call { id, request }) if request.input == input => id,
            event => panic!("no call of {input}: {event:?}"),
        }
    }

    fn cancelled(&mut self, call: CallId) {
        assert_eq!(self.event(), Some(AgentEvent::Cancel { id: call }));
        self.agent
            .finish(call, Err(Fault::Cancelled), Usage::default());
        self.send();
    }

    fn finish(&mut self, call: CallId, value: impl Into<Bytes>) {
        self.agent.finish(call, Ok(value.into()), Usage::default());
        self.send();
    }

    /// Sends `length` bytes on a stream, no faster than the controller takes them.
    fn pour(&mut self, id: StreamId, mut length: usize) {
        let mut credit = usize::try_from(id.window_bytes()).unwrap();
        while length > 0 {
            let now = length.min(credit).min(CHUNK_BYTES);
            if now > 0 {
                self.agent.send(id, vec![7; now].into());
                self.send();
                (length, credit) = (length - now, credit - now);
                continue;
            }
            match self.event() {
                Some(AgentEvent::Credit { bytes, .. }) => credit += usize::try_from(bytes).unwrap(),
                event => panic!("no credit: {event:?}"),
            }
        }
    }

    /// Takes `length` bytes from a stream.
    fn drain(&mut self, id: StreamId, mut length: usize) {
        while length > 0 {
            match self.event() {
                Some(AgentEvent::Data { bytes, .. }) => {
                    length -= bytes.len();
                    self.agent.taken(id, bytes.len() as u64);
                }
                event => panic!("no data: {event:?}"),
            }
        }
        self.send();
    }

    /// Returns the input of each call, until the controller closes the session.
    fn echo(mut self) {
        loop {
            match self.event() {
                Some(AgentEvent::Call { id, request }) => self.finish(id, request.input),
                Some(AgentEvent::Closing) => break,
                event => panic!("no call: {event:?}"),
            }
        }
        self.agent.close();
        self.send();
    }
}

/// A session, and the agent behind it.
fn session() -> (Session, Peer) {
    let ((from, controller_to), (controller_from, to)) = (pipe().unwrap(), pipe().unwrap());
    let mut peer = Peer {
        agent: AgentConnection::new(Target::here()),
        from,
        to,
    };
    peer.send();
    let started = Background::new(async move {
        let transport = Transport {
            reader: Reader::Pipe(Pipe::reader(controller_from.into()).unwrap()),
            writer: Writer::Pipe(Pipe::writer(controller_to.into()).unwrap()),
            stderr: StderrTail::default(),
            terminal: None,
            process: Ending::Child(ChildGroup::ended()),
            hop: None,
        };
        Session::start(transport, ControllerConnection::new(), &[]).await
    });
    (pollster::block_on(started).unwrap(), peer)
}

/// Opens a stream for threads. Also returns its number.
fn stream(
    session: &Session,
    peer: &mut Peer,
    leading: Leading,
) -> (StreamId, BlockingReader, BlockingWriter, StreamHandle) {
    let session = session.clone();
    let opened =
        Background::new(async move { session.open_blocking(Service::Files, leading).await });
    let Some(AgentEvent::Open { id, .. }) = peer.event() else {
        panic!("nothing was opened");
    };
    let Ok((reader, writer, handle)) = pollster::block_on(opened) else {
        panic!("the session has ended");
    };
    (id, reader, writer, handle)
}

/// More than pipes and windows hold.
const MUCH: usize = 5 << 20;

/// Calls, and returns the value.
async fn call(session: &Session, input: impl Into<Bytes>) -> Bytes {
    let reply = open(session, input).returned(None).await.unwrap();
    reply.unwrap().0.unwrap()
}

/// Calls, and returns the reason why the session was lost.
async fn lost_call(session: &Session, input: &'static str) -> String {
    let reply = open(session, input).returned(None).await.unwrap();
    reply.unwrap_err().reason
}

fn open(session: &Session, input: impl Into<Bytes>) -> CallHandle {
    open_with(session, input, Arc::new(|_, _| ()))
}

fn open_with(session: &Session, input: impl Into<Bytes>, output: OutputHandler) -> CallHandle {
    let artifact = Artifact::new(Bytes::from("artifact"));
    let request = CallRequest::new(artifact.digest, "f", input);
    session.call(&artifact, request, Lines::new("h".into(), output), None)
}

#[test]
fn a_call_needs_no_thread_but_the_one_that_waits() {
    let (session, peer) = session();
    scope(|scope| {
        scope.spawn(|| peer.echo());
        occupied(|| {
            for word in ["one", "two", "three"] {
                assert_eq!(block_on(call(&session, word)), word);
            }
            // More than the pipes hold.
            let large = vec![7; 3 << 20];
            assert_eq!(block_on(call(&session, large.clone())), large);
        });
        drop(session);
    });
}

#[test]
fn a_stream_needs_no_thread_but_the_one_that_reads() {
    let (session, mut peer) = session();
    let (id, mut reader, _writer, _handle) = stream(&session, &mut peer, Leading::Reader);
    scope(|scope| {
        // The agent outlives its thread: the controller writes to it until the end.
        scope.spawn(|| peer.pour(id, MUCH));
        occupied(|| {
            let mut bytes = vec![0; MUCH];
            reader.read_exact(&mut bytes).unwrap();
            assert_eq!(bytes, [7; MUCH]);
        });
    });
}

#[test]
fn a_stream_needs_no_thread_but_the_one_that_writes() {
    let (session, mut peer) = session();
    let (id, _reader, mut writer, _handle) = stream(&session, &mut peer, Leading::Writer);
    scope(|scope| {
        scope.spawn(|| peer.drain(id, MUCH));
        occupied(|| writer.write_all(&vec![7; MUCH]).unwrap());
    });
}

#[test]
fn callers_are_served_while_the_thread_of_a_stream_is_away() {
    for leading in [Leading::Reader, Leading::Writer] {
        let (session, mut peer) = session();
        let (id, mut reader, mut writer, handle) = stream(&session, &mut peer, leading);
        peer.pour(id, CHUNK_BYTES);
        reader.read_exact(&mut [0; CHUNK_BYTES]).unwrap();
        writer.write_all(&[7; CHUNK_BYTES]).unwrap();
        peer.drain(id, CHUNK_BYTES);
        scope(|scope| {
            let called = scope.spawn(|| pollster::block_on(call(&session, "1")));
            let id = peer.call("1");
            peer.finish(id, "one");
            assert_eq!(called.join().unwrap(), "one");
        });
        // Bytes that arrive for the stream meanwhile are there once its thread comes back.
        peer.pour(id, CHUNK_BYTES);
        reader.read_exact(&mut [0; CHUNK_BYTES]).unwrap();
        drop(handle);
        assert_eq!(peer.event(), Some(AgentEvent::StreamClosed { id }));
        assert_eq!(
            reader.read(&mut [0]).unwrap_err().to_string(),
            "the hop before it is lost"
        );
    }
}

#[test]
fn a_writer_is_told_that_its_stream_is_closed_while_the_agent_reads_nothing() {
    let (session, mut peer) = session();
    let (_, _reader, mut writer, handle) = stream(&session, &mut peer, Leading::Writer);
    scope(|scope| {
        let wrote = scope.spawn(move || writer.write_all(&vec![7; MUCH]).unwrap_err().kind());
        // Reads a little, so that the rest is under way.
        peer.event();
        drop(handle);
        assert_eq!(wrote.join().unwrap(), std::io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn the_thread_that_leads_brings_others_their_results() {
    let (session, mut peer) = session();
    occupied(|| {
        scope(|scope| {
            let leader = scope.spawn(|| block_on(call(&session, "leader")));
            let first = peer.call("leader");
            let follower = scope.spawn(|| block_on(call(&session, "follower")));
            let second = peer.call("follower");
            peer.finish(second, "2");
            assert_eq!(follower.join().unwrap(), "2");
            peer.finish(first, "1");
            assert_eq!(leader.join().unwrap(), "1");
        });
    });
}

#[test]
fn a_thread_that_has_its_result_hands_the_lead_over() {
    let (session, mut peer) = session();
    occupied(|| {
        scope(|scope| {
            let threads = ["1", "2", "3"].map(|word| {
                let session = &session;
                let thread = scope.spawn(move || block_on(call(session, word)));
                (peer.call(word), thread)
            });
            for (number, (id, thread)) in threads.into_iter().enumerate() {
                peer.finish(id, vec![7; number]);
                assert_eq!(thread.join().unwrap().len(), number);
            }
        });
    });
}

#[test]
fn many_threads_call_at_once() {
    let (session, peer) = session();
    scope(|scope| {
        scope.spawn(|| peer.echo());
        occupied(|| {
            std::thread::scope(|scope| {
                for number in 0..8_u8 {
                    let session = &session;
                    scope.spawn(move || {
                        for length in 0..100 {
                            let input = vec![number; length];
                            assert_eq!(block_on(call(session, input.clone())), input);
                        }
                    });
                }
            });
        });
        drop(session);
    });
}

#[test]
fn a_leader_that_is_too_late_leaves_the_others_served() {
    let (session, mut peer) = session();
    occupied(|| {
        scope(|scope| {
            let late = scope.spawn(|| {
                let soon = Duration::from_millis(50);
                block_on(async { open(&session, "late").returned(Some(soon)).await })
            });
            let first = peer.call("late");
            let follower = scope.spawn(|| block_on(call(&session, "follower")));
            let second = peer.call("follower");
            assert!(matches!(late.join().unwrap(), Err(Late)));
            peer.cancelled(first);
            peer.finish(second, "2");
            assert_eq!(follower.join().unwrap(), "2");
        });
    });
}

#[test]
fn a_leader_that_gives_up_leaves_the_others_served() {
    let (session, mut peer) = session();
    let (give_up, given_up) = oneshot::channel();
    occupied(|| {
        scope(|scope| {
            let session = &session;
            let leader = scope.spawn(move || block_on(unless(given_up, call(session, "leader"))));
            let first = peer.call("leader");
            let follower = scope.spawn(|| block_on(call(session, "follower")));
            let second = peer.call("follower");
            give_up.send(()).unwrap();
            assert_eq!(leader.join().unwrap(), None);
            peer.cancelled(first);
            peer.finish(second, "2");
            assert_eq!(follower.join().unwrap(), "2");
        });
    });
}

#[test]
fn a_call_that_its_only_thread_gives_up_is_cancelled() {
    let (session, mut peer) = session();
    let (give_up, given_up) = oneshot::channel();
    scope(|scope| {
        let session = &session;
        let leader = scope.spawn(move || block_on(unless(given_up, call(session, "leader"))));
        let only = peer.call("leader");
        give_up.send(()).unwrap();
        assert_eq!(leader.join().unwrap(), None);
        peer.cancelled(only);
    });
}

/// Returns what `future` does, or `None` if `given_up` comes first.
async fn unless<T>(given_up: oneshot::Receiver<()>, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        output = future => Some(output),
        _ = given_up => None,
    }
}

#[test]
fn a_follower_that_gives_up_is_not_handed_the_lead() {
    let (session, mut peer) = session();
    let (give_up, given_up) = oneshot::channel();
    occupied(|| {
        scope(|scope| {
            let session = &session;
            let leader = scope.spawn(|| block_on(call(session, "leader")));
            let first = peer.call("leader");
            let gone = scope.spawn(move || block_on(unless(given_up, call(session, "gone"))));
            let second = peer.call("gone");
            let last = scope.spawn(|| block_on(call(session, "last")));
            let third = peer.call("last");
            give_up.send(()).unwrap();
            assert_eq!(gone.join().unwrap(), None);
            peer.cancelled(second);
            peer.finish(first, "1");
            assert_eq!(leader.join().unwrap(), "1");
            peer.finish(third, "3");
            assert_eq!(last.join().unwrap(), "3");
        });
    });
}

#[test]
fn asynchronous_callers_are_served_beside_a_thread_and_after_it() {
    let (session, mut peer) = session();
    scope(|scope| {
        let asynchronous = |word| {
            let session = session.clone();
            Background::new(async move { call(&session, word).await })
        };
        let leader = scope.spawn(|| block_on(call(&session, "leader")));
        let first = peer.call("leader");
        let beside = asynchronous("beside");
        let second = peer.call("beside");
        let after = asynchronous("after");
        let third = peer.call("after");
        peer.finish(second, "2");
        assert_eq!(pollster::block_on(beside), "2");
        peer.finish(first, "1");
        assert_eq!(leader.join().unwrap(), "1");
        peer.finish(third, "3");
        assert_eq!(pollster::block_on(after), "3");
    });
}

#[test]
fn all_learn_that_the_session_is_lost() {
    let (session, mut peer) = session();
    scope(|scope| {
        let leader = scope.spawn(|| block_on(lost_call(&session, "leader")));
        peer.call("leader");
        let follower = scope.spawn(|| block_on(lost_call(&session, "follower")));
        peer.call("follower");
        drop(peer);
        assert_eq!(leader.join().unwrap(), "the agent is gone");
        assert_eq!(follower.join().unwrap(), "the agent is gone");
    });
    assert!(!session.is_alive());
    assert_eq!(
        block_on(lost_call(&session, "afterwards")),
        "the session had ended"
    );
}

#[test]
fn a_session_at_rest_is_looked_after() {
    let (session, mut peer) = session();
    scope(|scope| {
        let thread = scope.spawn(|| block_on(call(&session, "only")));
        let id = peer.call("only");
        peer.finish(id, "1");
        thread.join().unwrap();
    });
    // Commands are taken at once, and the end is noticed soon.
    session.drop_instance(InstanceId(3));
    let dropped = AgentEvent::DropInstance {
        instance: InstanceId(3),
    };
    assert_eq!(peer.event(), Some(dropped));
    drop(peer);
    pollster::block_on(session.commands.closed());
}

#[test]
fn a_session_is_closed_beside_a_thread_that_waits() {
    let (session, mut peer) = session();
    scope(|scope| {
        let leader = scope.spawn(|| block_on(call(&session, "leader")));
        let id = peer.call("leader");
        let closing = Background::new(session.clone().close());
        assert_eq!(peer.event(), Some(AgentEvent::Closing));
        peer.finish(id, "1");
        assert_eq!(leader.join().unwrap(), "1");
        peer.agent.close();
        peer.send();
        pollster::block_on(closing);
    });
    assert!(!session.is_alive());
}

#[test]
fn what_a_call_prints_is_heard_before_it_returns() {
    let (session, mut peer) = session();
    let heard = Mutex::new(Vec::new());
    let heard = Arc::new(heard);
    let output: OutputHandler = {
        let heard = heard.clone();
        Arc::new(move |_, output| {
            if let GuestOutput::Stdout(line) = output {
                lock(&heard).push(line.to_vec());
            }
        })
    };
    scope(|scope| {
        let thread = scope.spawn(|| {
            let reply =
                block_on(async { open_with(&session, "print", output).returned(None).await });
            assert!(matches!(reply, Ok(Ok((Ok(_), _)))));
            assert_eq!(*lock(&heard), [b"one\n", b"two\n"]);
        });
        let id = peer.call("print");
        peer.agent.output(id, OutputStream::Stdout, b"one\ntwo\n");
        peer.finish(id, "");
        thread.join().unwrap();
    });
}

#[test]
fn a_panic_in_a_future_leaves_the_session_to_others() {
    let (session, mut peer) = session();
    occupied(|| {
        scope(|scope| {
            let panics = scope.spawn(|| {
                block_on(async {
                    let _open = open(&session, "panics");
                    std::future::poll_fn(|_| -> std::task::Poll<()> {
                        panic!("as the test wants")
                    })
                    .await;
                });
            });
            assert!(panics.join().is_err());
            let other = scope.spawn(|| block_on(call(&session, "other")));
            let first = peer.call("panics");
            peer.cancelled(first);
            let second = peer.call("other");
            peer.finish(second, "2");
            assert_eq!(other.join().unwrap(), "2");
        });
    });
}
