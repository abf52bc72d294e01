//! Calls from their arrival to their return: waiting for their program, running, or being
//! cancelled.

/// Events of calls for the event loop.
pub(crate) mod event;
/// Output of guests on its way to the controller.
pub(crate) mod output;
/// Loaded programs.
mod store;

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use tokio::{runtime::Handle, sync::mpsc, task::AbortHandle, time::Instant};
use wxec_engine::{Completion, Program, Request, Resident, Sandbox, VerifiedArtifact};
use wxec_protocol::{AgentConnection, CallId, Digest, Fault, InstanceId, Usage};

use self::{event::CallEvent, output::OutputSender, store::Store};
use crate::{streams::guests::Drains, tasks::boxed};

pub(crate) struct Calls {
    sandbox: Sandbox,
    /// Runs the calls that do not finish at once.
    workers: Handle,
    store: Store,
    /// Calls whose program is on its way, by its digest.
    parked: HashMap<Digest, Vec<Parked>>,
    /// Resident instances, each with the artifact that it was made from. The sandbox limits their
    /// number.
    residents: HashMap<InstanceId, (Digest, Resident)>,
    /// Calls that did not finish at once and run in `workers`.
    running: HashMap<CallId, Running>,
    /// Output carriers of guests with streams whose call has not begun.
    drains: HashMap<CallId, Drains>,
    /// Calls that finished at once, until the event loop takes them: behind their other events.
    finished: Vec<(CallId, Completion)>,
    events: mpsc::UnboundedSender<CallEvent>,
    output: OutputSender,
}

/// Largest number of calls that go on after they were cancelled: they count as ended for their
/// controller, which may make as many again. A host has one plan at a time, or a few.
const MAX_LINGERING: usize = 64;

/// A call that did not finish at once.
struct Running {
    task: AbortHandle,
    linger: Option<Linger>,
}

/// Leave of a call to go on for a while when it is cancelled.
struct Linger {
    within: Duration,
    /// Tells the guest that it is cancelled.
    cancelled: Arc<AtomicBool>,
    /// The time when the call ends, if it is cancelled.
    until: Option<Instant>,
}

impl Linger {
    /// Returns the leave that a request has, and lets its guest know when it is cancelled.
    fn of(request: &mut Request) -> Option<Self> {
        let within = request.terms.limits.linger()?;
        let cancelled = Arc::<AtomicBool>::default();
        request.cancelled = Some(cancelled.clone());
        Some(Self {
            within,
            cancelled,
            until: None,
        })
    }
}

impl Running {
    /// Returns true if the call was cancelled, and goes on.
    fn lingers(&self) -> bool {
        let linger = self.linger.as_ref();
        linger.is_some_and(|linger| linger.until.is_some())
    }

    /// Cancels the call: ends it, or lets it linger. Returns the time that it has left.
    fn cancel(&mut self) -> Duration {
        let Some(linger) = &mut self.linger else {
            self.task.abort();
            return Duration::ZERO;
        };
        linger.cancelled.store(true, Ordering::Relaxed);
        let now = Instant::now();
        *linger.until.get_or_insert(now + linger.within) - now
    }
}

/// A call that begins when it is polled. It is boxed from the start, because it is large to move.
type GuestCall = Pin<Box<dyn Future<Output = Completion> + Send>>;

/// A call that waits for its program.
struct Parked {
    id: CallId,
    instance: Option<InstanceId>,
    request: Request,
}

impl Calls {
    pub(crate) fn new(
        sandbox: Sandbox,
        workers: Handle,
        events: mpsc::UnboundedSender<CallEvent>,
        output: OutputSender,
    ) -> Self {
        Self {
            sandbox,
            workers,
            store: Store::default(),
            parked: HashMap::new(),
            residents: HashMap::new(),
            running: HashMap::new(),
            drains: HashMap::new(),
            finished: Vec::new(),
            events,
            output,
        }
    }

    /// Runs a call, now or when its program has arrived: in an instance of its own, or in a resident
    /// one, which the first call creates.
    pub(crate) fn start(
        &mut self,
        connection: &mut AgentConnection,
        id: CallId,
        module: Digest,
        instance: Option<InstanceId>,
        request: Request,
    ) {
        let resident = instance.and_then(|instance| self.residents.get(&instance));
        match resident {
            // An existing instance has its program, even if the store has dropped it.
            Some((artifact, resident)) if *artifact == module => {
                let output = self.output.of_call(id);
                let call = self.sandbox.run_resident(resident, request, output);
                self.run_to_end(id, Box::pin(call), None);
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
                    instance,
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
            mut request,
        } = call;
        let Some(instance) = instance else {
            let linger = Linger::of(&mut request);
            let call = self.sandbox.run(program, request, self.output.of_call(id));
            return self.run_to_end(id, Box::pin(call), linger);
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
        self.start(connection, id, module, Some(instance), request);
    }

    /// Loads a program and runs the calls that waited for it. `bytes` match the digest.
    pub(crate) fn load(&mut self, connection: &mut AgentConnection, digest: Digest, bytes: Bytes) {
        // A module's artifacts for metered and for ordinary calls have different digests, so all
        // calls that wait for this one agree. If a controller mixes them up, the module is reported
        // as bad.
        let waiting = self.parked.get(&digest).and_then(|calls| calls.first());
        let metered = waiting.is_some_and(|call| call.request.terms.is_metered());
        let loaded = VerifiedArtifact::verify(bytes, digest)
            .map_err(|error| Fault::BadModule(error.to_string()))
            .and_then(|artifact| {
                let program = if metered {
                    self.sandbox.load_metered(&artifact)
                } else {
                    self.sandbox.load(&artifact)
                };
                Ok((program?, artifact.unpacked_bytes()))
            });
        match loaded {
            Ok((program, bytes)) => {
                self.store.insert(digest, program.clone(), bytes);
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
            Some(drains) => _ = tokio::spawn(boxed(drains.finish(completion))),
            None => connection.finish(id, completion.outcome, completion.usage),
        }
    }

    /// Cancels a call, in whatever state it is.
    pub(crate) fn cancel(&mut self, connection: &mut AgentConnection, id: CallId) {
        let lingering = self.running.values().filter(|it| it.lingers()).count();
        if let Some(running) = self.running.get_mut(&id) {
            if lingering >= MAX_LINGERING {
                running.linger = None;
            }
            if running.cancel().is_zero() {
                self.running.remove(&id);
            }
        }
        self.drains.remove(&id);
        for parked in self.parked.values_mut() {
            parked.retain(|call| call.id != id);
        }
        connection.finish(id, Err(Fault::Cancelled), Usage::default());
    }

    /// Cancels all calls, because their controller is gone. Returns how long some of them may linger.
    pub(crate) fn lose(&mut self) -> Duration {
        let mut longest = Duration::ZERO;
        self.running.retain(|_, running| {
            longest = longest.max(running.cancel());
            running.linger.is_some()
        });
        longest
    }

    /// Ends cancelled calls whose time to linger is over.
    pub(crate) fn end_lingering(&mut self) {
        let now = Instant::now();
        self.running.retain(|_, running| {
            let until = running.linger.as_ref().and_then(|linger| linger.until);
            let is_over = until.is_some_and(|until| until < now);
            if is_over {
                running.task.abort();
            }
            !is_over
        });
    }

    /// Returns true if no call runs that did not finish at once.
    pub(crate) fn are_over(&self) -> bool {
        self.running.is_empty()
    }

    /// Queues the end of a call behind all its other events.
    pub(crate) fn queue_return(&self, id: CallId, completion: Completion) {
        let _ = self.events.send(CallEvent::Done { id, completion });
    }

    /// Returns the calls that finished at once, for the event loop to handle behind all events that
    /// were sent before: those of the calls themselves are among them.
    pub(crate) fn take_finished(&mut self) -> impl Iterator<Item = CallEvent> {
        self.finished
            .drain(..)
            .map(|(id, completion)| CallEvent::Done { id, completion })
    }

    /// Forgets a call that has returned by itself.
    pub(crate) fn remove(&mut self, id: CallId) {
        self.running.remove(&id);
    }

    /// Stores the output carriers of a call that has streams and is started next.
    pub(crate) fn attach_drains(&mut self, id: CallId, drains: Drains) {
        self.drains.insert(id, drains);
    }

    /// Runs a call to its end, which is reported after everything that it sent on its streams.
    fn run_to_end(&mut self, id: CallId, call: GuestCall, linger: Option<Linger>) {
        let Some(drains) = self.drains.remove(&id) else {
            return self.poll_or_spawn(id, call, linger);
        };
        let task = self
            .workers
            .spawn(boxed(async move { drains.finish(call.await).await }));
        let task = task.abort_handle();
        self.running.insert(id, Running { task, linger });
    }

    /// Runs a call. Most calls finish within microseconds, on this thread. The others stop at the
    /// sandbox's first tick, or where they first wait, and continue on another thread.
    fn poll_or_spawn(&mut self, id: CallId, mut call: GuestCall, linger: Option<Linger>) {
        // Timers and sockets that the call makes here belong to the workers, too: this thread may have
        // other calls to begin when they are due.
        let _inside = self.workers.enter();
        match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(completion) => self.finished.push((id, completion)),
            Poll::Pending => {
                let events = self.events.clone();
                let task = self.workers.spawn(boxed(async move {
                    let completion = call.await;
                    let _ = events.send(CallEvent::Done { id, completion });
                }));
                let task = task.abort_handle();
                self.running.insert(id, Running { task, linger });
            }
        }
    }
}
