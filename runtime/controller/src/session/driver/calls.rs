//! Calls: their start, their output, and their end.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::oneshot;
use wxec_protocol::{Ask, AskId, CallErrorKind, CallId, CallRequest, Digest, Entry, Fault, Usage};

use super::Driver;
use crate::{
    base::runtime,
    session::{
        call::{Asked, Pending, Reply},
        command::{Command, Source},
        printer::Printed,
        process::ProgramCommand,
        stream::{StreamReader, StreamWriter},
        task_stream::TaskStream,
    },
};

impl Driver {
    /// Makes a call. The first one of a module brings its artifact, unless the agent is reached
    /// through a hop: that hop's agent may hold the artifact already.
    pub(super) fn make_call(&mut self, request: CallRequest, pending: Pending) {
        let id = match self.transport.hop {
            Some(_) => self.connection.call(request),
            None => self
                .connection
                .call_with_artifact(request, &pending.artifact),
        };
        self.keys.insert(pending.key, id);
        self.calls.insert(id, pending);
    }

    /// Opens `count` streams for a task, and adds them to its call.
    pub(super) fn open_task_streams(
        &mut self,
        request: &mut CallRequest,
        count: usize,
    ) -> Vec<TaskStream> {
        request.streams = self.connection.open_call_streams(count);
        let streams = request.streams.iter().map(|id| {
            let (ended, end) = oneshot::channel();
            let (reader, writer) = self.open(*id, Some(ended));
            TaskStream::new(reader, writer, end)
        });
        streams.collect()
    }

    /// Opens the streams of a program, and makes them and its command the entry of its call.
    pub(super) fn open_program(
        &mut self,
        request: &mut CallRequest,
        command: ProgramCommand,
    ) -> (StreamReader, StreamWriter, StreamReader) {
        let streams = self.connection.open_streams();
        request.entry = Entry::Command {
            arguments: command.arguments,
            environment: command.environment,
            streams,
        };
        let (reader, writer) = self.open(streams.stdio, None);
        let (stderr, _) = self.open(streams.stderr, None);
        (reader, writer, stderr)
    }

    pub(super) fn cancel(&mut self, key: u64) {
        if let Some(id) = self.keys.remove(&key) {
            self.connection.cancel(id);
            let cancelled = self.calls.remove(&id);
            if let Some(Pending { lines: None, .. }) = cancelled {
                self.printer.print(Printed::Forgotten { id });
            }
            self.lingers |= cancelled.is_some_and(|call| call.lingers);
        }
    }

    /// Sends the artifact that a call needs.
    pub(super) fn handle_need(&mut self, module: Digest, again: bool) {
        let mut calls = self.calls.values();
        match calls
            .find(|call| call.module == module)
            .map(|call| call.artifact.clone())
        {
            Some(artifact) => self.provide(module, artifact, again),
            // The only call that needs it was cancelled a moment ago.
            None => self.connection.refuse(module, "no longer needed"),
        }
    }

    /// Sends an artifact. If this agent is reached through a hop, the artifact goes to the hop's
    /// agent first, which passes it on: a slow link before the hop carries it once for all hosts
    /// behind. If that copy was of no use (`again`), this end sends the next one.
    fn provide(&mut self, module: Digest, artifact: Bytes, again: bool) {
        let (Some(hop), false) = (self.transport.hop.clone(), again) else {
            return self.connection.provide(module, artifact);
        };
        let commands = self.commands.clone();
        runtime::spawn(async move {
            let length = artifact.len() as u64;
            let from = if hop.hold(module, artifact.clone()).await {
                Source::Hop(length)
            } else {
                Source::Here(artifact)
            };
            if let Some(commands) = commands.upgrade() {
                let _ = commands.send(Command::Provide { module, from });
            }
        });
    }

    pub(super) fn handle_ask(&mut self, call: CallId, ask: AskId, question: Ask) {
        let asks = self.calls.get(&call).and_then(|call| call.asks.as_ref());
        let asked = Asked {
            ask,
            question,
            commands: self.commands.clone(),
        };
        if asks.is_none_or(|asks| asks.send(asked).is_err()) {
            let nobody = CallErrorKind::Agent("only tasks may call tasks on other hosts".into());
            self.connection.answer(ask, Err(nobody));
        }
    }

    pub(super) fn handle_return(
        &mut self,
        id: CallId,
        outcome: Result<Bytes, Fault>,
        usage: Usage,
    ) {
        if usage.dropped_bytes > 0 {
            self.begin_printing(id);
        }
        if let Some(call) = self.calls.remove(&id) {
            self.keys.remove(&call.key);
            let fuel = usage.fuel.unwrap_or_default();
            self.shared.fuel.fetch_add(fuel, Ordering::Relaxed);
            self.end_call(id, call, usage.dropped_bytes, Ok((outcome, usage)));
        }
    }

    /// Registers the call with the printer on its first output.
    pub(super) fn begin_printing(&mut self, id: CallId) {
        if let Some(lines) = self.calls.get_mut(&id).and_then(|call| call.lines.take()) {
            self.printer.print(Printed::Begun { id, lines });
        }
    }

    /// Tells the caller how the call ended, and when the listener has heard all that it printed.
    pub(super) fn end_call(
        &mut self,
        id: CallId,
        call: Pending,
        dropped_bytes: u64,
        outcome: Reply,
    ) {
        let Pending { reply, lines, .. } = call;
        match lines {
            Some(_nothing_printed) => _ = reply.send((outcome, None)),
            None => {
                let (done, printed) = oneshot::channel();
                let _ = reply.send((outcome, Some(printed)));
                self.printer.print(Printed::Returned {
                    id,
                    dropped_bytes,
                    printed: done,
                });
            }
        }
    }
}
