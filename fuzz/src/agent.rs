//! An agent that keeps the rules, and checks that it receives no impossible event.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::from_fn,
};

use bytes::Bytes;
use wxec_protocol::{
    AgentConnection, AgentEvent, CHUNK_BYTES, CallId, Description, Digest, Fault, MAX_CALLS,
    OutputStream, ProtocolError, StreamEnd, StreamId, Target, Usage,
};

use crate::{
    Peer, Said,
    controller::{OUTPUT_BYTES, STDIO_BYTES, nth},
    flow::Flow,
    memory::takes_bounded_memory,
    payload::{length, payload},
};

pub(crate) struct Agent {
    pub(crate) connection: AgentConnection,
    peer: Peer,
    /// Calls received and not finished.
    open: BTreeMap<CallId, OpenCall>,
    /// Artifacts that it asked for and has not received.
    wanted: BTreeSet<Digest>,
    streams: BTreeMap<StreamId, Flow>,
    /// Blobs that it was asked about, once for each question.
    blobs: Vec<Digest>,
    describing: usize,
    heard_bye: bool,
    said_bye: bool,
}

struct OpenCall {
    module: Digest,
    /// The store may have dropped the artifact before the call began, but not since.
    may_need: bool,
    cancelled: bool,
    printed: u64,
}

impl Agent {
    pub(crate) fn new(peer: Peer) -> Self {
        Self {
            connection: AgentConnection::new(Target::here()),
            peer,
            open: BTreeMap::new(),
            wanted: BTreeSet::new(),
            streams: BTreeMap::new(),
            blobs: Vec::new(),
            describing: 0,
            heard_bye: false,
            said_bye: false,
        }
    }

    /// Performs an action, if it is possible now.
    pub(crate) fn say(&mut self, said: Said, which: u8, amount: u8) {
        if self.said_bye {
            return;
        }
        match said {
            Said::Need | Said::Output | Said::Return | Said::Fail => {
                if let Some(id) = nth(&self.open, which) {
                    self.say_of_call(said, id, amount);
                }
            }
            Said::AnswerBlob if !self.blobs.is_empty() => {
                let digest = self.blobs.remove(usize::from(which) % self.blobs.len());
                self.connection.answer_blob(digest, amount > 0);
            }
            Said::Describe if self.describing > 0 => {
                self.describing -= 1;
                self.connection
                    .description(Description::new(which.into(), amount.into()));
            }
            Said::Send | Said::Finish | Said::Take | Said::Close => {
                if let Some(id) = nth(&self.streams, which) {
                    self.say_on_stream(said, id, amount);
                }
            }
            _ => {}
        }
    }

    fn say_of_call(&mut self, said: Said, id: CallId, amount: u8) {
        let call = self.open.get_mut(&id).expect("it is open");
        match said {
            Said::Need => {
                if std::mem::take(&mut call.may_need) && !call.cancelled {
                    self.wanted.insert(call.module);
                    self.connection.need(call.module);
                }
            }
            Said::Output => {
                if self.connection.has_output_room() {
                    let bytes = payload(
                        call.printed,
                        length(amount).min(limit(STDIO_BYTES - call.printed)),
                    );
                    call.printed += bytes.len() as u64;
                    self.connection.output(id, OutputStream::Stdout, &bytes);
                }
            }
            _ => {
                let outcome = match said {
                    Said::Return => Ok(payload(0, length(amount).min(limit(OUTPUT_BYTES)))),
                    _ if call.cancelled => Err(Fault::Cancelled),
                    _ => Err(Fault::NoSuchFunction {
                        function: "f".repeat(amount.into()),
                    }),
                };
                self.finish(id, outcome);
            }
        }
    }

    fn finish(&mut self, id: CallId, outcome: Result<Bytes, Fault>) {
        self.open.remove(&id);
        self.connection.finish(id, outcome, Usage::default());
    }

    fn say_on_stream(&mut self, said: Said, id: StreamId, amount: u8) {
        let flow = self.streams.get_mut(&id).expect("it is open");
        match said {
            Said::Send => self.connection.send(id, flow.send(length(amount))),
            Said::Take => self.connection.taken(id, flow.take(length(amount))),
            Said::Finish => {
                flow.finished_here = true;
                self.connection.finish_stream(id);
            }
            _ => {
                self.streams.remove(&id);
                self.connection
                    .end_stream(id, StreamEnd::Exited(amount.into()));
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

    fn check(&mut self, event: AgentEvent) {
        let honest = self.peer == Peer::Honest;
        match event {
            AgentEvent::Call { id, request } => {
                let input = request.input;
                assert!(
                    input.len() as u64 <= request.terms.limits.input_bytes,
                    "more input than is allowed"
                );
                assert!(
                    !honest || input == payload(0, input.len()),
                    "other input than was sent"
                );
                let call = OpenCall {
                    module: request.module,
                    may_need: true,
                    cancelled: false,
                    printed: 0,
                };
                assert!(
                    self.open.insert(id, call).is_none(),
                    "call {id} was told twice"
                );
                assert!(
                    self.open.len() <= MAX_CALLS,
                    "more calls than there are places"
                );
            }
            AgentEvent::Module { digest, bytes } => {
                assert_eq!(
                    digest,
                    Digest::of(&bytes),
                    "other bytes than were asked for"
                );
                assert!(self.wanted.remove(&digest), "{digest} was not asked for");
            }
            AgentEvent::NoModule { digest, .. } => {
                assert!(self.wanted.remove(&digest), "{digest} was not asked for")
            }
            AgentEvent::DamagedModule { digest } => {
                assert!(self.wanted.remove(&digest), "{digest} was not asked for");
                if self
                    .open
                    .values()
                    .any(|call| call.module == digest && !call.cancelled)
                {
                    self.wanted.insert(digest);
                    self.connection.need(digest);
                }
            }
            AgentEvent::Cancel { id } => {
                let call = self
                    .open
                    .get_mut(&id)
                    .expect("the end of a call that is open");
                assert!(!honest || !call.cancelled, "call {id} was cancelled twice");
                call.cancelled = true;
            }
            AgentEvent::Start { streams, .. } => {
                for id in [Some(streams.stdio), Some(streams.stderr), streams.terminal]
                    .into_iter()
                    .flatten()
                {
                    assert!(
                        self.streams.insert(id, Flow::new(self.peer, id)).is_none(),
                        "stream {id} was opened twice"
                    );
                }
            }
            AgentEvent::Open { id, .. } => {
                assert!(
                    self.streams.insert(id, Flow::new(self.peer, id)).is_none(),
                    "stream {id} was opened twice"
                );
            }
            AgentEvent::Data { id, bytes } => self.flow(id).hear_data(&bytes),
            AgentEvent::Splice { id, splice } => {
                assert!(
                    splice.length <= CHUNK_BYTES as u64,
                    "a splice longer than a part"
                );
                self.flow(id).hear_length(splice.length);
            }
            AgentEvent::Credit { id, bytes } => self.flow(id).hear_credit(bytes),
            AgentEvent::Finished { id } => self.flow(id).hear_finish(),
            AgentEvent::StreamClosed { id } => {
                self.streams
                    .remove(&id)
                    .expect("the end of a stream that is open");
            }
            AgentEvent::AskBlob { digest } => self.blobs.push(digest),
            AgentEvent::Blob { digest, bytes } => {
                assert_eq!(
                    digest,
                    Digest::of(&bytes),
                    "other bytes than were announced"
                );
                self.blobs.push(digest);
            }
            AgentEvent::Describe => self.describing += 1,
            AgentEvent::Closing => self.heard_bye = true,
            _ => {}
        }
    }

    fn flow(&mut self, id: StreamId) -> &mut Flow {
        self.streams
            .get_mut(&id)
            .expect("something on a stream that is open")
    }

    /// Answers everything that waits for an answer, and says goodbye if that is due.
    pub(crate) fn settle(&mut self) {
        while let Some(id) = nth(&self.open, 0) {
            self.say_of_call(Said::Fail, id, 0);
        }
        while let Some(digest) = self.blobs.pop() {
            self.connection.answer_blob(digest, true);
        }
        for _ in 0..std::mem::take(&mut self.describing) {
            self.connection.description(Description::new(1, 0));
        }
        if self.heard_bye
            && self.connection.is_idle()
            && !std::mem::replace(&mut self.said_bye, true)
        {
            self.connection.close();
        }
    }
}

fn limit(bytes: u64) -> usize {
    usize::try_from(bytes).expect("limits are small")
}
