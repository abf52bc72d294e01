//! The host's side of one running guest: the data that its imports read and write.

use std::sync::{Arc, atomic::AtomicBool};

use bytes::Bytes;
use tokio::sync::Semaphore;
use wxec_protocol::{
    Fault, Grants, Terms,
    abi::{Exit, HostError, Panic, Status, TaskFailure},
    cbor,
};

use crate::{
    call::host_services::HostServices,
    call::output::Stdio,
    call::run::{Entry, Request},
    call::supply::Supply,
    hostcalls::Resources,
    limits::budget::{Body, Budget, Portion},
    limits::capacity::Capacity,
    limits::growth::Growth,
    limits::refusal::Refusal,
    wasi::{Parts, World},
};

/// The host's data of one guest, in its store. A resident instance refills it for each call.
pub(crate) struct Guest {
    pub(crate) input: Bytes,
    pub(crate) output: Body,
    pub(crate) output_limit: u64,
    pub(crate) error: Body,
    pub(crate) panic: Option<Panic>,
    pub(crate) growth: Growth,
    /// Fuel that the call was given.
    pub(crate) fuel: Option<u64>,
    pub(crate) grants: Grants,
    /// The last refusal, unless the guest got something since.
    pub(crate) refused: Option<Refusal>,
    /// The host's answer to the last capability call.
    pub(crate) reply: Vec<u8>,
    /// Places for guests that wait for other hosts.
    pub(crate) askers: Arc<Semaphore>,
    /// Its streams and processes, but not its files.
    pub(crate) resources: Resources,
    pub(crate) host_services: Option<Arc<dyn HostServices>>,
    /// True if the call was cancelled, and goes on for a while.
    pub(crate) cancelled: Option<Arc<AtomicBool>>,
    pub(crate) stdio: Arc<Stdio>,
    /// Its state of preview 1, which includes its files.
    pub(crate) wasi: World,
    /// The memory budget of all guests together.
    pub(crate) budget: Arc<Budget>,
}

impl Guest {
    pub(crate) fn new(
        request: Request,
        wasi: Parts,
        stdio: Arc<Stdio>,
        capacity: &Capacity,
        supply: &Arc<Supply>,
    ) -> Self {
        let budget = &capacity.budget;
        let Request {
            entry,
            terms,
            input,
            streams,
            host_services,
            cancelled,
        } = request;
        let Terms {
            limits,
            grants,
            seed,
            preview: _,
        } = terms;
        let wasi = World::new(Parts {
            seed,
            environment: grants.env.clone(),
            command: match entry {
                Entry::Task(_) => None,
                Entry::Program(command) => Some(command),
            },
            ..wasi
        });
        Self {
            input,
            output: Body::new(budget.clone()),
            output_limit: limits.output_bytes,
            fuel: limits.fuel,
            error: Body::new(budget.clone()),
            panic: None,
            growth: Growth::new(&limits, Portion::new(budget.clone())),
            askers: capacity.askers.clone(),
            resources: Resources::new(&limits, supply, streams),
            grants,
            refused: None,
            reply: Vec::new(),
            host_services,
            cancelled,
            wasi,
            budget: budget.clone(),
            stdio,
        }
    }

    /// Takes the next call of a resident instance. Limits and grants of the instance itself remain.
    pub(crate) fn refill(&mut self, request: Request) {
        let Request {
            terms,
            input,
            streams,
            host_services,
            cancelled,
            ..
        } = request;
        let Terms { limits, grants, .. } = terms;
        self.input = input;
        self.resources.give_call_streams(streams);
        // Grants that lead beyond the instance are those of each call: its caller answers for them.
        self.host_services = host_services;
        self.cancelled = cancelled;
        self.grants.host = grants.host;
        self.grants.facts = grants.facts;
        self.output_limit = limits.output_bytes;
        self.fuel = limits.fuel;
        self.panic = None;
        self.refused = None;
        self.reply = Vec::new();
        self.growth.forget();
        // Drops output that an earlier call wrote but did not return.
        drop((self.output.take(), self.error.take()));
    }

    /// Notes that the guest was refused something. Returns the error that the guest sees.
    pub(crate) fn refuse(&mut self, refusal: Refusal) -> HostError {
        let error = refusal.describe();
        self.refused = Some(refusal);
        error
    }

    /// Returns the result of a program that exited with `code`.
    pub(crate) fn exit(self, code: i32) -> Bytes {
        let needs = match self.refused {
            Some(Refusal::Denied(need)) if code != 0 => vec![need],
            _ => Vec::new(),
        };
        cbor::encode(&Exit { code, needs })
            .expect("numbers and texts always encode")
            .into()
    }

    /// Returns the result of a call whose function returned `code`.
    pub(crate) fn finish(&mut self, code: i32) -> Result<Bytes, Fault> {
        // A resident instance could keep them otherwise.
        self.resources.end_call_streams();
        let (output, error) = (self.output.take(), self.error.take());
        let text = |error: &[u8]| {
            crate::limits::text::bounded(String::from_utf8_lossy(error).into_owned())
        };
        match Status::from_code(code) {
            Some(Status::Ok) => Ok(output.into_bytes()),
            Some(Status::Failed) => Err(match self.refused.take() {
                Some(refusal) => {
                    refusal.into_fault(failure_text(error.as_ref()), Some(error.into_vec()))
                }
                None => Fault::Task(error.into_vec()),
            }),
            Some(Status::BadArguments) => Err(Fault::BadArguments(text(error.as_ref()))),
            Some(Status::Internal) => Err(Fault::Trap {
                reason: text(error.as_ref()),
                frames: Vec::new(),
            }),
            None => Err(Fault::BadModule(format!(
                "the function returned {code}, which is no status"
            ))),
        }
    }
}

/// Returns the text of a task's error, for people.
fn failure_text(error: &[u8]) -> String {
    cbor::decode::<TaskFailure>(error)
        .map_or_else(|error| error.to_string(), |failure| failure.to_string())
}
