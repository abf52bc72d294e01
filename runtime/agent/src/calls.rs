//! Calls from their arrival to their return: waiting for their program, running, or being cancelled.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::{sync::mpsc, task::AbortHandle};
use wxec_engine::{Completion, Output, Program, Request, Sandbox, Surroundings, VerifiedArtifact};
use wxec_protocol::{AgentConnection, Ask, CallId, Digest, Fault, Grants, LogLevel, LogRecord, OutputStream, Usage};

use crate::{
    processes::Drains,
    store::Store,
    surroundings::{self, Answer},
};

/// What happens in calls, in order for each of them.
pub(crate) enum CallEvent {
    Output { id: CallId, stream: OutputStream, bytes: Vec<u8> },
    Log { id: CallId, level: LogLevel, target: String, message: String },
    Ask { id: CallId, question: Ask, answer: Answer },
    Done { id: CallId, completion: Completion },
}

pub(crate) struct Calls {
    sandbox: Sandbox,
    store: Store,
    /// Calls whose program is on its way.
    parked: HashMap<Digest, Vec<(CallId, Request)>>,
    /// Calls that were not done at once and run on another thread.
    running: HashMap<CallId, AbortHandle>,
    /// What carries the output of programs that do not run yet.
    drains: HashMap<CallId, Drains>,
    events: mpsc::UnboundedSender<CallEvent>,
}

impl Calls {
    pub(crate) fn new(sandbox: Sandbox, events: mpsc::UnboundedSender<CallEvent>) -> Self {
        let store = Store::default();
        Self { sandbox, store, parked: HashMap::new(), running: HashMap::new(), drains: HashMap::new(), events }
    }

    /// What a call may see of what is around it.
    pub(crate) fn surroundings(&self, id: CallId, grants: &Grants) -> Option<Arc<dyn Surroundings>> {
        surroundings::of_call(id, grants, &self.events)
    }

    /// Runs a call, now or when its program has arrived.
    pub(crate) fn start(&mut self, connection: &mut AgentConnection, id: CallId, module: Digest, request: Request) {
        match self.store.get(module) {
            Some(program) => self.run(id, &program, request),
            None => {
                self.parked.entry(module).or_default().push((id, request));
                connection.need(module);
            }
        }
    }

    /// Loads a program and runs the calls that waited for it. `bytes` are those the digest names.
    pub(crate) fn load(&mut self, connection: &mut AgentConnection, digest: Digest, bytes: Bytes) {
        let length = bytes.len();
        let loaded = VerifiedArtifact::verify(bytes, digest)
            .map_err(|error| Fault::BadModule(error.to_string()))
            .and_then(|artifact| self.sandbox.load(&artifact));
        match loaded {
            Ok(program) => {
                self.store.insert(digest, program.clone(), length);
                for (id, request) in self.parked.remove(&digest).unwrap_or_default() {
                    self.run(id, &program, request);
                }
            }
            Err(fault) => self.fail_parked(connection, digest, &fault),
        }
    }

    /// An artifact arrived damaged: asks again, if there is still a call that waits for it.
    pub(crate) fn ask_again(&mut self, connection: &mut AgentConnection, digest: Digest) {
        if self.parked.get(&digest).is_some_and(|calls| !calls.is_empty()) {
            connection.need(digest);
        }
    }

    /// Ends the calls that wait for a program which will not come.
    pub(crate) fn fail_parked(&mut self, connection: &mut AgentConnection, digest: Digest, fault: &Fault) {
        for (id, request) in self.parked.remove(&digest).unwrap_or_default() {
            // With it go the ends of a program's pipes.
            drop(request);
            let completion = Completion { outcome: Err(fault.clone()), usage: Usage::default() };
            match self.drains.remove(&id) {
                Some(drains) => _ = tokio::spawn(drains.finish(completion)),
                None => connection.finish(id, completion.outcome, completion.usage),
            }
        }
    }

    /// Ends a call, wherever it is.
    pub(crate) fn cancel(&mut self, connection: &mut AgentConnection, id: CallId) {
        if let Some(task) = self.running.remove(&id) {
            task.abort();
        }
        self.drains.remove(&id);
        for parked in self.parked.values_mut() {
            parked.retain(|(parked, _)| *parked != id);
        }
        connection.finish(id, Err(Fault::Cancelled), Usage::default());
    }

    /// A call has returned by itself.
    pub(crate) fn done(&mut self, id: CallId) {
        self.running.remove(&id);
    }

    /// Runs a program, now or when it has arrived; `drains` carry what it prints.
    pub(crate) fn start_program(
        &mut self,
        connection: &mut AgentConnection,
        id: CallId,
        module: Digest,
        request: Request,
        drains: Drains,
    ) {
        self.drains.insert(id, drains);
        self.start(connection, id, module, request);
    }

    /// Most calls are over within microseconds: those never leave this thread. The others stop at the sandbox's first
    /// tick, or where they first wait, and go on elsewhere.
    fn run(&mut self, id: CallId, program: &Program, request: Request) {
        if let Some(drains) = self.drains.remove(&id) {
            let call = self.sandbox.run(program, request, Arc::new(Nowhere));
            let task = tokio::spawn(async move { drains.finish(call.await).await });
            self.running.insert(id, task.abort_handle());
            return;
        }
        let output = Arc::new(CallOutput { id, events: self.events.clone() });
        let mut call = Box::pin(self.sandbox.run(program, request, output));
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(completion) => {
                let _ = self.events.send(CallEvent::Done { id, completion });
            }
            Poll::Pending => {
                let events = self.events.clone();
                let task = tokio::spawn(async move {
                    let completion = call.await;
                    let _ = events.send(CallEvent::Done { id, completion });
                });
                self.running.insert(id, task.abort_handle());
            }
        }
    }
}

/// Carries what a guest prints to the event loop. The sandbox bounds how much that can be.
struct CallOutput {
    id: CallId,
    events: mpsc::UnboundedSender<CallEvent>,
}

impl Output for CallOutput {
    fn write(&self, stream: OutputStream, bytes: &[u8]) {
        let _ = self.events.send(CallEvent::Output { id: self.id, stream, bytes: bytes.to_vec() });
    }

    fn log(&self, LogRecord { level, target, message, .. }: LogRecord<'_>) {
        let (target, message) = (target.into(), message.into());
        let _ = self.events.send(CallEvent::Log { id: self.id, level, target, message });
    }
}

/// A program prints into its pipes.
struct Nowhere;

impl Output for Nowhere {
    fn write(&self, _: OutputStream, _: &[u8]) {}
    fn log(&self, _: LogRecord<'_>) {}
}
