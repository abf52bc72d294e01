//! The host's side of one running guest: what its imports read and write.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi::p1::WasiP1Ctx;
use wxec_protocol::{
    Fault, Limits,
    abi::{Panic, Status},
};

use crate::{fault, limits::Growth, output::Stdio, wasi};

/// What a guest's store holds beside the guest. Fresh for each call.
pub(crate) struct Guest {
    pub(crate) input: Bytes,
    pub(crate) output: Vec<u8>,
    pub(crate) output_limit: u64,
    pub(crate) error: Vec<u8>,
    pub(crate) panic: Option<Panic>,
    pub(crate) growth: Growth,
    pub(crate) stdio: Arc<Stdio>,
    pub(crate) wasi: WasiP1Ctx,
}

impl Guest {
    pub(crate) fn new(input: Bytes, limits: &Limits, stdio: Arc<Stdio>) -> Self {
        Self {
            input,
            output: Vec::new(),
            output_limit: limits.output_bytes,
            error: Vec::new(),
            panic: None,
            growth: Growth::new(limits),
            wasi: wasi::context(&stdio),
            stdio,
        }
    }

    /// What the call returns after its function returned `code`.
    pub(crate) fn finish(self, code: i32) -> Result<Bytes, Fault> {
        let text = |error: &[u8]| fault::bounded(String::from_utf8_lossy(error).into_owned());
        match Status::from_code(code) {
            Some(Status::Ok) => Ok(self.output.into()),
            Some(Status::Failed) => Err(Fault::Task(self.error)),
            Some(Status::BadArguments) => Err(Fault::BadArguments(text(&self.error))),
            Some(Status::Internal) => Err(Fault::Trap { reason: text(&self.error), frames: Vec::new() }),
            None => Err(Fault::BadModule(format!("the function returned {code}, which is no status"))),
        }
    }
}
