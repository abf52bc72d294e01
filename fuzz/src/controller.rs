//! A controller that keeps the rules, and checks that it receives no impossible event.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::from_fn,
};

use wxec_protocol::{
    CHUNK_BYTES, CallId, CallRequest, Command, ControllerConnection, ControllerEvent, Digest,
    Fault, Limits, LogRecord, OutputStream, ProtocolError, Splice, StreamId, output_cost,
};

use crate::{
    Peer, Said,
    flow::Flow,
    memory::takes_bounded_memory,
    payload::{Blob, blob, blob_of, length, payload},
};

/// Bytes that each call may print and return. Small, so that calls reach the limits.
pub(crate) const STDIO_BYTES: u64 = 1000;
pub(crate) const OUTPUT_BYTES: u64 = 1 << 20;

pub(crate) struct Controller {
    pub(crate) connection: ControllerConnection,
    peer: Peer,
    /// Calls of which events may still come.
    open: BTreeMap<CallId, OpenCall>,
    streams: BTreeMap<StreamId, Flow>,
    /// Artifacts that the agent asked for and has no answer for; true if a hop's copy was of no
    /// use.
    wanted: BTreeMap<Digest, bool>,
    /// Artifacts of which the hop puts in a damaged copy.
    damaged: BTreeSet<Digest>,
    blobs: BTreeSet<Digest>,
    describing: usize,
    said_bye: bool,
    heard_bye: bool,
}

struct OpenCall {
    module: Digest,
    printed: BTreeMap<&'static str, u64>,
}

/// A call of `function`. Only this function knows the parts of a request.
fn request(module: Digest, input: usize) -> CallRequest {
    let limits = Limits {
        input_bytes: 2 * CHUNK_BYTES as u64,
        output_bytes: OUTPUT_BYTES,
        stdio_bytes: STDIO_BYTES,
        ..Limits::default()
    };
    CallRequest {
        terms: limits.into(),
        ..CallRequest::new(module, "crate::task", payload(0, input))
    }
}

impl Controller {
    pub(crate) fn new(peer: Peer) -> Self {
        Self {
            connection: ControllerConnection::new(),
            peer,
            open: BTreeMap::new(),
            streams: BTreeMap::new(),
            wanted: BTreeMap::new(),
            damaged: BTreeSet::new(),
            blobs: BTreeSet::new(),
            describing: 0,
            said_bye: false,
            heard_bye: false,
        }
    }

    /// Performs an action, if it is possible now.
    pub(crate) fn say(&mut self, said: Said, which: u8, amount: u8) {
        let connection = &mut self.connection;
        // After its goodbye a controller asks for nothing more.
        let may_ask = !self.said_bye;
        match said {
            Said::Call if may_ask => {
                let module = blob(which).digest;
                let id = connection.call(request(module, length(amount)));
                self.open.insert(
                    id,
                    OpenCall {
                        module,
                        printed: BTreeMap::new(),
                    },
                );
            }
            Said::Cancel => {
                if let Some(id) = nth(&self.open, which) {
                    connection.cancel(id);
                    self.open.remove(&id);
                }
            }
            Said::Provide | Said::ProvideFromHop | Said::ProvideDamaged | Said::Refuse => {
                if let Some(digest) = nth(&self.wanted, which) {
                    self.answer(said, digest);
                }
            }
            Said::Start | Said::StartWithTerminal if may_ask => {
                let command = Command::new(["cat"]);
                let started = connection.start(command, said == Said::StartWithTerminal);
                for id in [Some(started.stdio), Some(started.stderr), started.terminal]
                    .into_iter()
                    .flatten()
                {
                    self.streams.insert(id, Flow::new(self.peer, id));
                }
            }
            Said::Splice => {
                if let Some(id) = nth(&self.streams, which) {
                    let length = self
                        .streams
                        .get_mut(&id)
                        .expect("it is open")
                        .send(usize::from(amount))
                        .len() as u64;
                    connection.splice(
                        id,
                        Splice {
                            blob: blob(amount).digest,
                            offset: u64::from(which),
                            length,
                        },
                    );
                }
            }
            Said::AskBlob if may_ask => {
                connection.ask_blob(blob(which).digest);
                self.blobs.insert(blob(which).digest);
            }
            Said::SendBlob if may_ask => {
                connection.send_blob(blob(which).digest, blob(which).bytes.clone());
                self.blobs.insert(blob(which).digest);
            }
            Said::AskDescription if may_ask => {
                connection.describe();
                self.describing += 1;
            }
            Said::Ping if may_ask => connection.ping(),
            // A blob on its way would arrive after the goodbye.
            Said::Bye if may_ask && self.blobs.is_empty() => {
                connection.close();
                self.said_bye = true;
            }
            Said::Send | Said::Finish | Said::Take | Said::Close => {
                if let Some(id) = nth(&self.streams, which) {
                    self.say_on_stream(said, id, length(amount));
                }
            }
            _ => {}
        }
    }

    fn say_on_stream(&mut self, said: Said, id: StreamId, length: usize) {
        let flow = self.streams.get_mut(&id).expect("it is open");
        match said {
            Said::Send => self.connection.send(id, flow.send(length)),
            Said::Take => self.connection.taken(id, flow.take(length)),
            Said::Finish => {
                flow.finished_here = true;
                self.connection.finish_stream(id);
            }
            _ => {
                self.streams.remove(&id);
                self.connection.close_stream(id);
            }
        }
    }

    /// Answers the request for an artifact. A hop's copy is used only the first time.
    fn answer(&mut self, said: Said, digest: Digest) {
        let again = self.wanted.remove(&digest).expect("it is wanted");
        let Blob { bytes, .. } = blob_of(digest);
        match said {
            Said::Refuse => self.connection.refuse(digest, "it is gone"),
            Said::ProvideFromHop | Said::ProvideDamaged if !again => {
                if said == Said::ProvideDamaged {
                    self.damaged.insert(digest);
                }
                self.connection.provide_from_hop(digest, bytes.len() as u64);
            }
            _ => self.connection.provide(digest, bytes.clone()),
        }
    }

    /// Appends the bytes to send, with those that the hop puts in.
    pub(crate) fn transmit(&mut self, wire: &mut Vec<u8>) {
        if let Some(Splice {
            blob,
            offset,
            length,
        }) = self.connection.poll_transmit(wire)
        {
            let [start, end] =
                [offset, offset + length].map(|at| usize::try_from(at).expect("blobs are short"));
            wire.extend_from_slice(&blob_of(blob).bytes[start..end]);
            if self.damaged.contains(&blob)
                && let Some(last) = wire.last_mut()
            {
                *last ^= 1;
            }
        }
    }

    /// Receives some bytes, and checks all events that follow.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let mut heard = Ok(());
        takes_bounded_memory(bytes.len(), || heard = self.connection.handle_input(bytes));
        for event in from_fn(|| self.connection.poll_event()).collect::<Vec<_>>() {
            self.check(event);
        }
        heard
    }

    fn check(&mut self, event: ControllerEvent) {
        let honest = self.peer == Peer::Honest;
        assert!(!(honest && self.heard_bye), "{event:?} after the goodbye");
        match event {
            ControllerEvent::Need { module, again } => {
                let twice = self.wanted.insert(module, again).is_some();
                assert!(!(honest && twice), "{module} was asked for twice at once");
            }
            ControllerEvent::Output { id, stream, bytes } => {
                let call = self
                    .open
                    .get_mut(&id)
                    .expect("output of a call that is open");
                let stream = match stream {
                    OutputStream::Stdout => "stdout",
                    OutputStream::Stderr => "stderr",
                };
                let printed = call.printed.entry(stream).or_default();
                assert!(
                    !honest || bytes == payload(*printed, bytes.len()),
                    "other output than was written"
                );
                *printed += bytes.len() as u64;
                assert!(*printed <= STDIO_BYTES, "more output than is allowed");
                self.connection
                    .output_taken(output_cost(bytes.len() as u64));
            }
            ControllerEvent::Log {
                id,
                level,
                target,
                message,
            } => {
                let call = self
                    .open
                    .get_mut(&id)
                    .expect("a record of a call that is open");
                let logged = call.printed.entry("log").or_default();
                let record = LogRecord::new(level, &target, &message);
                *logged += record.cost();
                assert!(*logged <= STDIO_BYTES, "more is logged than is allowed");
                self.connection.output_taken(output_cost(record.cost()));
            }
            ControllerEvent::Ask { call, .. } => panic!("call {call} was granted no host"),
            ControllerEvent::Returned { id, outcome, .. } => {
                let call = self
                    .open
                    .remove(&id)
                    .expect("the end of a call that is open");
                if let Ok(value) = outcome {
                    assert!(
                        value.len() as u64 <= OUTPUT_BYTES,
                        "more than a call may return"
                    );
                    assert!(
                        !honest || value == payload(0, value.len()),
                        "another value than was returned"
                    );
                } else if honest {
                    assert_ne!(
                        outcome,
                        Err(Fault::Cancelled),
                        "{} was not cancelled",
                        call.module
                    );
                }
            }
            ControllerEvent::Data { id, bytes } => self.flow(id).hear_data(&bytes),
            ControllerEvent::Credit { id, bytes } => self.flow(id).hear_credit(bytes),
            ControllerEvent::Finished { id } => self.flow(id).hear_finish(),
            ControllerEvent::StreamClosed { id, .. } => {
                self.streams
                    .remove(&id)
                    .expect("the end of a stream that is open");
            }
            ControllerEvent::Blob { digest, .. } => {
                assert!(self.blobs.remove(&digest), "nobody asked about {digest}")
            }
            ControllerEvent::Description(_) => {
                self.describing = self
                    .describing
                    .checked_sub(1)
                    .expect("a description that was asked for");
            }
            ControllerEvent::Closed => self.heard_bye = true,
            _ => {}
        }
    }

    fn flow(&mut self, id: StreamId) -> &mut Flow {
        self.streams
            .get_mut(&id)
            .expect("something on a stream that is open")
    }

    /// Answers everything that waits for an answer.
    pub(crate) fn settle(&mut self) {
        while let Some(digest) = nth(&self.wanted, 0) {
            self.answer(Said::Provide, digest);
        }
        while let Some(id) = nth(&self.streams, 0) {
            self.say_on_stream(Said::Close, id, 0);
        }
    }

    /// Returns true if nothing is left to wait for.
    pub(crate) fn is_done(&self) -> bool {
        self.heard_bye && self.open.is_empty() && self.blobs.is_empty() && self.describing == 0
    }
}

/// Returns the key that a number selects, if there is any.
pub(crate) fn nth<K: Copy + Ord, V>(map: &BTreeMap<K, V>, which: u8) -> Option<K> {
    map.keys()
        .nth(usize::from(which) % map.len().max(1))
        .copied()
}
