//! The host's side of one running guest: what its imports read and write.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi::p1::WasiP1Ctx;
use wxec_protocol::{
    Fault, Grants,
    abi::{Exit, HostError, Panic, Status, TaskFailure},
    cbor,
};

use crate::{
    call::{Entry, Request},
    fault,
    hostcalls::Resources,
    limits::Growth,
    output::Stdio,
    quota::Share,
    refusal::Refusal,
    supply::Supply,
    surroundings::Surroundings,
    wasi::{Places, World},
};

/// What a guest's store holds beside the guest. Fresh for each call.
pub(crate) struct Guest {
    pub(crate) input: Bytes,
    pub(crate) output: Vec<u8>,
    pub(crate) output_limit: u64,
    pub(crate) error: Vec<u8>,
    pub(crate) panic: Option<Panic>,
    pub(crate) growth: Growth,
    pub(crate) grants: Grants,
    /// What the guest asked for last and did not get, unless it got something since.
    pub(crate) refused: Option<Refusal>,
    /// What the host answered to the last capability call.
    pub(crate) reply: Vec<u8>,
    /// What it opened and started, but for files.
    pub(crate) resources: Resources,
    pub(crate) surroundings: Option<Arc<dyn Surroundings>>,
    pub(crate) stdio: Arc<Stdio>,
    pub(crate) wasi: WasiP1Ctx,
    /// What was granted of this host's files.
    pub(crate) places: Places,
    /// Files and directories the guest has open.
    pub(crate) open_files: Vec<Share>,
}

impl Guest {
    pub(crate) fn new(request: Request, world: World, stdio: Arc<Stdio>, supply: &Arc<Supply>) -> Self {
        let Request { entry, limits, grants, input, surroundings, .. } = request;
        let (wasi, places) = match entry {
            Entry::Task(_) => world.task(&stdio),
            Entry::Program(command) => world.program(command),
        };
        Self {
            input,
            output: Vec::new(),
            output_limit: limits.output_bytes,
            error: Vec::new(),
            panic: None,
            growth: Growth::new(&limits),
            resources: Resources::new(&limits, supply),
            grants,
            refused: None,
            reply: Vec::new(),
            surroundings,
            wasi,
            places,
            open_files: Vec::new(),
            stdio,
        }
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
    pub(crate) fn finish(self, code: i32) -> Result<Bytes, Fault> {
        let text = |error: &[u8]| fault::bounded(String::from_utf8_lossy(error).into_owned());
        match Status::from_code(code) {
            Some(Status::Ok) => Ok(self.output.into()),
            Some(Status::Failed) => Err(match self.refused {
                Some(refusal) => refusal.into_fault(failure_text(&self.error), Some(self.error)),
                None => Fault::Task(self.error),
            }),
            Some(Status::BadArguments) => Err(Fault::BadArguments(text(&self.error))),
            Some(Status::Internal) => Err(Fault::Trap { reason: text(&self.error), frames: Vec::new() }),
            None => Err(Fault::BadModule(format!("the function returned {code}, which is no status"))),
        }
    }
}

/// What a task's error says, for people.
fn failure_text(error: &[u8]) -> String {
    cbor::decode::<TaskFailure>(error).map_or_else(|error| error.to_string(), |failure| failure.to_string())
}
