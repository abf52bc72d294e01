//! Calls from their arrival to their return: waiting for their program, running, or being
//! cancelled.

/// Events of calls for the event loop.
pub(crate) mod event;
/// Output of guests on its way to the event loop.
mod backlog;
/// Output of guests that waits for credit.
pub(crate) mod held;
/// Loaded programs.
mod store;

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::{sync::mpsc, task::AbortHandle};
use wxec_engine::{
    Completion, Output, Program, Request, Resident, Room, Sandbox, VerifiedArtifact,
};
use wxec_protocol::{
    AgentConnection, CallId, Digest, Fault, InstanceId, LogRecord, OutputStream, Usage,
};

use self::{backlog::Backlog, event::CallEvent, store::Store};
use crate::streams::guests::Drains;

pub(crate) struct Calls {
    sandbox: Sandbox,
    store: Store,
    /// Calls whose program is on its way, by its digest.
    parked: HashMap<Digest, Vec<Parked>>,
    /// Resident instances, each with the artifact that it was made from. The sandbox limits their
    /// number.
    residents: HashMap<InstanceId, (Digest, Resident)>,
    /// Calls that did not finish at once and run on another thread.
    running: HashMap<CallId, AbortHandle>,
    /// Output carriers of guests with streams whose call has not begun.
    drains: HashMap<CallId, Drains>,
    events: mpsc::UnboundedSender<CallEvent>,
    backlog: Arc<Backlog>,
}

/// A call that waits for its program.
struct Parked {
    id: CallId,
    instance: Option<InstanceId>,
    request: Request,
}

impl Calls {
    pub(crate) fn new(sandbox: Sandbox, events: mpsc::UnboundedSender<CallEvent>) -> Self {
        Self {
            sandbox,
            store: Store::default(),
            parked: HashMap::new(),
            residents: HashMap::new(),
            running: HashMap::new(),
            drains: HashMap::new(),
            events,
            backlog: Arc::default(),
        }
    }

    /// Records that output was taken out of the channel of events.
    pub(crate) fn taken(&self, bytes: &[u8]) {
        self.backlog.remove(bytes);
    }

    /// Runs a call, now or when its program has arrived.
    pub(crate) fn start(
        &mut self,
        connection: &mut AgentConnection,
        id: CallId,
        module: Digest,
        request: Request,
    ) {
        self.start_or_park(
            connection,
            module,
            Parked {
                id,
                instance: None,
                request,
            },
        );
    }

    /// Runs a call of a resident instance, which the first call creates.
    pub(crate) fn start_resident(
        &mut self,
        connection: &mut AgentConnection,
        id: CallId,
        module: Digest,
        instance: InstanceId,
        request: Request,
    ) {
        match self.residents.get(&instance) {
            // An existing instance has its program, even if the store has dropped it.
            Some((artifact, resident)) if *artifact == module => {
                let output = self.output(id);
                let call = self.sandbox.run_resident(resident, request, output);
                self.conduct(id, call);
            }
            Some(_) => {
                drop(request);
                self.refuse(
                    connection,
                    id,
                    Fault::BadModule("it is not what the instance was made of".into()),
                );
            }
            None => self.start_or_park(
                connection,
                module,
                Parked {
                    id,
                    instance: Some(instance),
                    request,
                },
            ),
        }
    }

    /// Ends an instance. A call that still runs in it is the last one.
    pub(crate) fn drop_instance(&mut self, instance: InstanceId) {
        self.residents.remove(&instance);
    }

    fn start_or_park(&mut self, connection: &mut AgentConnection, module: Digest, call: Parked) {
        match self.store.get(module) {
            Some(program) => self.begin(connection, module, &program, call),
            None => {
                self.parked.entry(module).or_default().push(call);
                connection.need(module);
            }
        }
    }

    /// Runs a call whose program has arrived.
    fn begin(
        &mut self,
        connection: &mut AgentConnection,
        module: Digest,
        program: &Program,
        call: Parked,
    ) {
        let Parked {
            id,
            instance,
            request,
        } = call;
        let Some(instance) = instance else {
            return self.run(id, program, request);
        };
        // If several calls waited together, the first one has made the instance.
        if !self.residents.contains_key(&instance) {
            match self.sandbox.resident(program) {
                Ok(resident) => _ = self.residents.insert(instance, (module, resident)),
                Err(fault) => {
                    drop(request);
                    return self.refuse(connection, id, fault);
                }
            }
        }
        self.start_resident(connection, id, module, instance, request);
    }

    /// Loads a program and runs the calls that waited for it. `bytes` match the digest.
    pub(crate) fn load(&mut self, connection: &mut AgentConnection, digest: Digest, bytes: Bytes) {
        let length = bytes.len();
        // A module's artifacts for metered and for ordinary calls have different digests, so all
        // calls that wait for this one agree. If a controller mixes them up, the module is reported
        // as bad.
        let waiting = self.parked.get(&digest).and_then(|calls| calls.first());
        let metered = waiting.is_some_and(|call| call.request.is_metered());
        let loaded = VerifiedArtifact::verify(bytes, digest)
            .map_err(|error| Fault::BadModule(error.to_string()))
            .and_then(|artifact| match metered {
                true => self.sandbox.load_metered(&artifact),
                false => self.sandbox.load(&artifact),
            });
        match loaded {
            Ok(program) => {
                self.store.insert(digest, program.clone(), length);
                for call in self.parked.remove(&digest).unwrap_or_default() {
                    self.begin(connection, digest, &program, call);
                }
            }
            Err(fault) => self.fail_parked(connection, digest, &fault),
        }
    }

    /// Asks again for an artifact that arrived damaged, if a call still waits for it.
    pub(crate) fn ask_again(&mut self, connection: &mut AgentConnection, digest: Digest) {
        if self
            .parked
            .get(&digest)
            .is_some_and(|calls| !calls.is_empty())
        {
            connection.need(digest);
        }
    }

    /// Ends the calls that wait for a program which will not come.
    pub(crate) fn fail_parked(
        &mut self,
        connection: &mut AgentConnection,
        digest: Digest,
        fault: &Fault,
    ) {
        for Parked { id, request, .. } in self.parked.remove(&digest).unwrap_or_default() {
            // Drops the guest's ends of its streams.
            drop(request);
            self.refuse(connection, id, fault.clone());
        }
    }

    /// Ends a call that did not begin. The caller has dropped its request.
    fn refuse(&mut self, connection: &mut AgentConnection, id: CallId, fault: Fault) {
        let completion = Completion {
            outcome: Err(fault),
            usage: Usage::default(),
        };
        match self.drains.remove(&id) {
            Some(drains) => _ = tokio::spawn(drains.finish(completion)),
            None => connection.finish(id, completion.outcome, completion.usage),
        }
    }

    /// Cancels a call, in whatever state it is.
    pub(crate) fn cancel(&mut self, connection: &mut AgentConnection, id: CallId) {
        if let Some(task) = self.running.remove(&id) {
            task.abort();
        }
        self.drains.remove(&id);
        for parked in self.parked.values_mut() {
            parked.retain(|call| call.id != id);
        }
        connection.finish(id, Err(Fault::Cancelled), Usage::default());
    }

    /// Queues the end of a call behind all its other events.
    pub(crate) fn tell_done(&self, id: CallId, completion: Completion) {
        let _ = self.events.send(CallEvent::Done { id, completion });
    }

    /// Forgets a call that has returned by itself.
    pub(crate) fn done(&mut self, id: CallId) {
        self.running.remove(&id);
    }

    /// Stores the output carriers of a call that has streams and is started next.
    pub(crate) fn will_drain(&mut self, id: CallId, drains: Drains) {
        self.drains.insert(id, drains);
    }

    fn run(&mut self, id: CallId, program: &Program, request: Request) {
        let call = self.sandbox.run(program, request, self.output(id));
        self.conduct(id, call);
    }

    /// Runs a call to its end, which is reported after everything that it sent on its streams.
    fn conduct(&mut self, id: CallId, call: impl Future<Output = Completion> + Send + 'static) {
        let Some(drains) = self.drains.remove(&id) else {
            return self.poll(id, call);
        };
        let task = tokio::spawn(async move { drains.finish(call.await).await });
        self.running.insert(id, task.abort_handle());
    }

    fn output(&self, id: CallId) -> Arc<CallOutput> {
        Arc::new(CallOutput {
            id,
            events: self.events.clone(),
            backlog: self.backlog.clone(),
        })
    }

    /// Runs a call. Most calls finish within microseconds, on this thread. The others stop at the
    /// sandbox's first tick, or where they first wait, and continue on another thread.
    fn poll(&mut self, id: CallId, call: impl Future<Output = Completion> + Send + 'static) {
        let mut call = Box::pin(call);
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

/// Carries a guest's output to the event loop.
struct CallOutput {
    id: CallId,
    events: mpsc::UnboundedSender<CallEvent>,
    backlog: Arc<Backlog>,
}

impl Output for CallOutput {
    fn write(&self, stream: OutputStream, bytes: &[u8]) {
        self.backlog.add(bytes);
        let _ = self.events.send(CallEvent::Output {
            id: self.id,
            stream,
            bytes: bytes.to_vec(),
        });
    }

    fn log(
        &self,
        LogRecord {
            level,
            target,
            message,
            ..
        }: LogRecord<'_>,
    ) {
        self.backlog.add(message.as_bytes());
        let (target, message) = (target.into(), message.into());
        let _ = self.events.send(CallEvent::Log {
            id: self.id,
            level,
            target,
            message,
        });
    }

    fn room(&self) -> Option<Room> {
        self.backlog.room()
    }
}
