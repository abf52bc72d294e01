//! One call: a fresh guest, from its request to its completion.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::task::yield_now;
use wasmtime::{Extern, Instance, ModuleExport, Store, TypedFunc, UpdateDeadline, WasmResults, bail};
use wxec_protocol::{Fault, Grants, LimitKind, Limits, Usage};

use crate::{
    fault,
    guest::Guest,
    limits::LimitHit,
    output::{Output, Stdio},
    program::Program,
    sandbox::Sandbox,
    supervisor::supervise,
};

/// Guests see the length of their input as a `u32`.
const MAX_INPUT_BYTES: u64 = u32::MAX as u64;

/// What to run, and on what terms.
pub struct Request {
    /// Name of the task, such as `words::count`: an export's name without its prefix.
    pub function: String,
    /// What the call may use.
    pub limits: Limits,
    /// What the call may touch.
    pub grants: Grants,
    /// Makes the call deterministic: random numbers follow from this, and the clock stands still.
    pub seed: Option<u64>,
    /// The arguments, as CBOR.
    pub input: Bytes,
}

impl Request {
    /// A call of a task, on the usual terms.
    pub fn new(function: impl Into<String>, input: impl Into<Bytes>) -> Self {
        let (limits, grants) = (Limits::default(), Grants::none());
        Self { function: function.into(), limits, grants, seed: None, input: input.into() }
    }
}

/// How a call went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The result as CBOR, or why there is none.
    pub outcome: Result<Bytes, Fault>,
    /// What the call used, however it went.
    pub usage: Usage,
}

/// Runs one call from beginning to end.
pub(crate) async fn run(sandbox: Sandbox, program: Program, request: Request, output: Arc<dyn Output>) -> Completion {
    let started = Instant::now();
    let stdio = Arc::new(Stdio::new(output, request.limits.stdio_bytes));
    let deadline_ms = request.limits.deadline_ms;
    let guest = run_guest(&sandbox, &program, request, stdio.clone());
    let outcome = supervise(guest, sandbox.ticker(), started, deadline_ms).await;
    let wall_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    Completion { outcome, usage: Usage { wall_us, dropped_bytes: stdio.dropped_bytes(), fuel: None } }
}

async fn run_guest(sandbox: &Sandbox, program: &Program, request: Request, stdio: Arc<Stdio>) -> Result<Bytes, Fault> {
    let function = program.function(&request.function)?;
    let length = request.input.len() as u64;
    if length > MAX_INPUT_BYTES {
        return Err(LimitHit { which: LimitKind::Input, limit: MAX_INPUT_BYTES, asked: length }.into());
    }

    let _slot = sandbox.slot().await;
    let mut store = sandbox.store(Guest::new(request, stdio));
    store.limiter(|guest| &mut guest.growth);
    // The first tick makes the guest yield, and then each. Wasmtime's own way to yield may be polled again at once;
    // tokio's lets other tasks go first.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::YieldCustom(1, Box::pin(yield_now()))));

    match call(&mut store, program, function).await {
        Ok(code) => store.into_data().finish(code),
        Err(error) => Err(fault::from_error(&error, store.into_data())),
    }
}

async fn call(store: &mut Store<Guest>, program: &Program, function: &ModuleExport) -> wasmtime::Result<i32> {
    let instance = program.pre.instantiate_async(&mut *store).await?;
    if let Some(initialize) = program.initialize() {
        export::<()>(store, &instance, initialize)?.call_async(&mut *store, ()).await?;
    }
    export(store, &instance, function)?.call_async(store, ()).await
}

fn export<R: WasmResults>(
    store: &mut Store<Guest>,
    instance: &Instance,
    export: &ModuleExport,
) -> wasmtime::Result<TypedFunc<(), R>> {
    match instance.get_module_export(&mut *store, export) {
        Some(Extern::Func(function)) => function.typed(store),
        _ => bail!("a program lost an export it was loaded with"),
    }
}
