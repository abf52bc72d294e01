//! The host's side of one running guest: what its imports read and write.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::sync::Semaphore;
use wasmtime_wasi::p1::WasiP1Ctx;
use wxec_protocol::{
    Fault, Grants,
    abi::{Exit, HostError, Panic, Status, TaskFailure},
    cbor,
};

use crate::{
    budget::{Body, Budget, Portion},
    call::{Entry, Request},
    capacity::Capacity,
    determinism::Clock,
    fault,
    hostcalls::Resources,
    limits::Growth,
    output::Stdio,
    quota::Share,
    refusal::Refusal,
    supply::Supply,
    surroundings::Surroundings,
    wasi::{Given, Listing, Places, Stdin, World},
};

/// What a guest's store holds beside the guest. Fresh for each call.
pub(crate) struct Guest {
    pub(crate) input: Bytes,
    pub(crate) output: Body,
    pub(crate) output_limit: u64,
    pub(crate) error: Body,
    pub(crate) panic: Option<Panic>,
    pub(crate) growth: Growth,
    /// What the call was given.
    pub(crate) fuel: Option<u64>,
    pub(crate) grants: Grants,
    /// What the guest asked for last and did not get, unless it got something since.
    pub(crate) refused: Option<Refusal>,
    /// What the host answered to the last capability call.
    pub(crate) reply: Vec<u8>,
    /// Places for guests that wait for other hosts.
    pub(crate) askers: Arc<Semaphore>,
    /// What it opened and started, but for files.
    pub(crate) resources: Resources,
    pub(crate) surroundings: Option<Arc<dyn Surroundings>>,
    pub(crate) stdio: Arc<Stdio>,
    pub(crate) wasi: WasiP1Ctx,
    /// Its arguments and its environment.
    pub(crate) given: Given,
    /// What was granted of this host's files.
    pub(crate) places: Places,
    /// Files and directories the guest has opened, by their numbers.
    pub(crate) open_files: HashMap<u32, Share>,
    /// Those of its directories that it has listed, by the numbers of these.
    pub(crate) listings: HashMap<u32, Listing>,
    /// What all guests hold together.
    pub(crate) budget: Arc<Budget>,
    pub(crate) stdin: Stdin,
    /// The time, in a call with a seed.
    pub(crate) clock: Option<Clock>,
}

impl Guest {
    pub(crate) fn new(
        request: Request,
        mut world: World,
        stdio: Arc<Stdio>,
        capacity: &Capacity,
        supply: &Arc<Supply>,
    ) -> Self {
        let budget = &capacity.budget;
        let Request { entry, limits, grants, input, streams, surroundings, .. } = request;
        let clock = world.clock.take();
        let (wasi, places, given) = match entry {
            Entry::Task(_) => world.task(&stdio),
            Entry::Program(command) => world.program(command),
        };
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
            surroundings,
            wasi,
            given,
            places,
            open_files: HashMap::new(),
            listings: HashMap::new(),
            budget: budget.clone(),
            stdin: Stdin::default(),
            clock,
            stdio,
        }
    }

    /// Takes the next call of an instance that stays. What bounds the instance itself remains.
    pub(crate) fn refill(&mut self, request: Request) {
        let Request { limits, grants, input, streams, surroundings, .. } = request;
        self.input = input;
        self.resources.give_call_streams(streams);
        // What leads beyond the instance is for each call: whoever makes it answers for that.
        self.surroundings = surroundings;
        self.grants.host = grants.host;
        self.grants.facts = grants.facts;
        self.output_limit = limits.output_bytes;
        self.fuel = limits.fuel;
        self.panic = None;
        self.refused = None;
        self.reply = Vec::new();
        self.growth.forget();
        // What an earlier call left, because it failed otherwise than it could have.
        drop((self.output.take(), self.error.take()));
    }

    /// Notes that the guest was refused something. Returns what it hears of it.
    pub(crate) fn refuse(&mut self, refusal: Refusal) -> HostError {
        let error = refusal.describe();
        self.refused = Some(refusal);
        error
    }

    /// What the call of a program returns that exited with `code`.
    pub(crate) fn exit(self, code: i32) -> Bytes {
        let needs = match self.refused {
            Some(Refusal::Denied(need)) if code != 0 => vec![need],
            _ => Vec::new(),
        };
        cbor::encode(&Exit { code, needs }).expect("numbers and texts always encode").into()
    }

    /// What the call returns after its function returned `code`.
    pub(crate) fn finish(&mut self, code: i32) -> Result<Bytes, Fault> {
        // An instance that stays could keep them.
        self.resources.end_call_streams();
        let (output, error) = (self.output.take(), self.error.take());
        let text = |error: &[u8]| fault::bounded(String::from_utf8_lossy(error).into_owned());
        match Status::from_code(code) {
            Some(Status::Ok) => Ok(output.into_bytes()),
            Some(Status::Failed) => Err(match self.refused.take() {
                Some(refusal) => refusal.into_fault(failure_text(error.as_ref()), Some(error.into_vec())),
                None => Fault::Task(error.into_vec()),
            }),
            Some(Status::BadArguments) => Err(Fault::BadArguments(text(error.as_ref()))),
            Some(Status::Internal) => Err(Fault::Trap { reason: text(error.as_ref()), frames: Vec::new() }),
            None => Err(Fault::BadModule(format!("the function returned {code}, which is no status"))),
        }
    }
}

/// What a task's error says, for people.
fn failure_text(error: &[u8]) -> String {
    cbor::decode::<TaskFailure>(error).map_or_else(|error| error.to_string(), |failure| failure.to_string())
}
