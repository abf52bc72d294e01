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
    surroundings::Surroundings,
    wasi::{self, Reader, World, Writer},
};

/// Guests see the length of their input as a `u32`.
const MAX_INPUT_BYTES: u64 = u32::MAX as u64;

/// Where a call begins.
pub enum Entry {
    /// A task, by its name, such as `words::count`: an export's name without its prefix.
    Task(String),
    /// A program: the export `_start`. Its value is the CBOR of an [`Exit`](wxec_protocol::abi::Exit).
    Program(Command),
}

/// What a program finds when it starts.
pub struct Command {
    /// Its arguments, the first of which is its own name.
    pub arguments: Vec<String>,
    /// Its environment, beside the variables it is granted.
    pub environment: Vec<(String, String)>,
    /// What it reads.
    pub stdin: Reader,
    /// What it prints goes here. It waits while this takes nothing.
    pub stdout: Writer,
    /// Where its complaints go. It waits while this takes nothing.
    pub stderr: Writer,
}

/// What to run, and on what terms.
pub struct Request {
    /// Where the call begins.
    pub entry: Entry,
    /// What the call may use.
    pub limits: Limits,
    /// What the call may touch.
    pub grants: Grants,
    /// Makes the call deterministic: random numbers follow from this, and the clock stands still.
    pub seed: Option<u64>,
    /// The arguments, as CBOR.
    pub input: Bytes,
    /// What tells the guest of what is around it. Without it nobody does, whatever is granted.
    pub surroundings: Option<Arc<dyn Surroundings>>,
}

impl Request {
    /// A call of a task, on the usual terms.
    pub fn new(function: impl Into<String>, input: impl Into<Bytes>) -> Self {
        let (limits, grants) = (Limits::default(), Grants::none());
        let entry = Entry::Task(function.into());
        Self { entry, limits, grants, seed: None, input: input.into(), surroundings: None }
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
    let function = match &request.entry {
        Entry::Task(name) => program.function(name)?,
        Entry::Program(_) => program.start()?,
    };
    let is_program = matches!(request.entry, Entry::Program(_));
    let length = request.input.len() as u64;
    if length > MAX_INPUT_BYTES {
        return Err(LimitHit { which: LimitKind::Input, limit: MAX_INPUT_BYTES, asked: length }.into());
    }

    let _slot = sandbox.slot().await;
    let world = World::new(&request.grants, program.uses_files()).await;
    let mut store = sandbox.store(Guest::new(request, world, stdio.clone(), sandbox.supply()));
    let inherited = store.data().resources.inherited.clone();
    store.limiter(|guest| &mut guest.growth);
    // The first tick makes the guest yield, and then each. Wasmtime's own way to yield may be polled again at once;
    // tokio's lets other tasks go first.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::YieldCustom(1, Box::pin(yield_now()))));

    if is_program {
        let ended = inherited.forward(&stdio, start(&mut store, program, function)).await;
        let exit_code = match &ended {
            Ok(()) => 0,
            Err(error) => match wasi::exit_code(error) {
                Some(code) => code,
                None => return Err(fault::from_error(error, store.into_data())),
            },
        };
        return Ok(store.into_data().exit(exit_code));
    }
    match inherited.forward(&stdio, call(&mut store, program, function)).await {
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

async fn start(store: &mut Store<Guest>, program: &Program, start: &ModuleExport) -> wasmtime::Result<()> {
    let instance = program.pre.instantiate_async(&mut *store).await?;
    export(store, &instance, start)?.call_async(store, ()).await
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
