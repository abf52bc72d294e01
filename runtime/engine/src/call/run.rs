//! One call: a fresh guest, from its request to its completion.

use std::{
    pin::{Pin, pin},
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Instant,
};

use bytes::Bytes;
use serde_bytes::ByteBuf;
use tokio::task::yield_now;
use wasmtime::{
    Extern, Instance, ModuleExport, Store, TypedFunc, UpdateDeadline, WasmResults, bail,
};
use wxec_protocol::{Fault, Grants, LimitKind, Terms, Usage};

use crate::{
    call::fault,
    call::guest::Guest,
    call::host_services::HostServices,
    call::output::{Output, Stdio},
    call::program::Program,
    call::resident::Resident,
    call::sandbox::Sandbox,
    call::supervisor::supervise,
    hostcalls::Duplex,
    limits::{growth::LimitHit, text::bounded},
    wasi::{self, Opened, Parts, Reader, Writer},
};

/// Length of the longest input: guests see it as a `u32`.
const MAX_INPUT_BYTES: u64 = u32::MAX as u64;

/// Entry point of a call.
pub enum Entry {
    /// A task, by its name, such as `words::count`: the name of an export without its prefix.
    Task(String),
    /// A program: the export `_start`. The call returns the CBOR of an
    /// [`Exit`](wxec_protocol::abi::Exit).
    Program(Command),
}

/// A program's arguments, environment and stdio.
pub struct Command {
    /// Its arguments. The first one is its own name.
    pub arguments: Vec<ByteBuf>,
    /// Its environment, in addition to the variables it is granted.
    pub environment: Vec<(ByteBuf, ByteBuf)>,
    /// Its stdin.
    pub stdin: Reader,
    /// Its stdout. The program waits while the writer takes nothing.
    pub stdout: Writer,
    /// Its stderr. The program waits while the writer takes nothing.
    pub stderr: Writer,
}

/// A call to run.
pub struct Request {
    /// Entry point of the call.
    pub entry: Entry,
    /// Terms on which the call runs.
    pub terms: Terms,
    /// The arguments, as CBOR.
    pub input: Bytes,
    /// Streams that the task sends to and receives from, by their indexes.
    pub streams: Vec<Duplex>,
    /// Answers the guest's questions about its host and other hosts. Without it these fail,
    /// whatever is granted.
    pub host_services: Option<Arc<dyn HostServices>>,
    /// Set when the call is cancelled and goes on for a while: the guest may ask.
    pub cancelled: Option<Arc<AtomicBool>>,
}

impl Request {
    /// Creates a call of a task, on the usual terms.
    pub fn new(function: impl Into<String>, input: impl Into<Bytes>) -> Self {
        Self {
            entry: Entry::Task(function.into()),
            terms: Terms::default(),
            input: input.into(),
            streams: Vec::new(),
            host_services: None,
            cancelled: None,
        }
    }
}

/// Outcome and usage of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The result as CBOR, or the reason why there is none.
    pub outcome: Result<Bytes, Fault>,
    /// Usage of the call, whether it succeeded or failed.
    pub usage: Usage,
}

/// Runs one call from beginning to end.
pub(crate) async fn run(
    sandbox: Sandbox,
    program: Program,
    request: Request,
    output: Arc<dyn Output>,
) -> Completion {
    let watched = Watched::new(&request, output);
    let fuel = OnceLock::new();
    let guest = run_guest(&sandbox, &program, request, watched.stdio.clone(), &fuel);
    watched.complete(&sandbox, pin!(guest), &fuel).await
}

/// Runs one call of a resident instance.
pub(crate) async fn run_resident(
    sandbox: Sandbox,
    resident: Resident,
    request: Request,
    output: Arc<dyn Output>,
) -> Completion {
    let watched = Watched::new(&request, output);
    let fuel = OnceLock::new();
    let guest = resident.call(&sandbox, request, watched.stdio.clone(), &fuel);
    watched.complete(&sandbox, pin!(guest), &fuel).await
}

/// A call whose guest is supervised and measured. It takes the guest pinned: the futures of a guest
/// are large, and moving them costs more than most of what they do.
struct Watched {
    started: Instant,
    stdio: Arc<Stdio>,
    deadline_ms: Option<u64>,
}

impl Watched {
    fn new(request: &Request, output: Arc<dyn Output>) -> Self {
        let limits = &request.terms.limits;
        Self {
            started: Instant::now(),
            stdio: Arc::new(Stdio::new(output, limits.stdio_bytes)),
            deadline_ms: limits.deadline_ms,
        }
    }

    /// Supervises the guest to its end.
    async fn complete(
        self,
        sandbox: &Sandbox,
        guest: Pin<&mut impl Future<Output = Result<Bytes, Fault>>>,
        fuel: &OnceLock<u64>,
    ) -> Completion {
        let outcome = supervise(guest, sandbox.ticker(), self.started, self.deadline_ms).await;
        let wall_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Completion {
            outcome,
            usage: Usage {
                wall_us,
                dropped_bytes: self.stdio.dropped_bytes(),
                fuel: fuel.get().copied(),
            },
        }
    }
}

/// Runs a guest in a fresh instance. Notes the fuel used, if it was counted and the guest came to
/// its end by itself.
async fn run_guest(
    sandbox: &Sandbox,
    program: &Program,
    request: Request,
    stdio: Arc<Stdio>,
    fuel_used: &OnceLock<u64>,
) -> Result<Bytes, Fault> {
    let function = check(program, &request)?;
    let is_program = matches!(request.entry, Entry::Program(_));
    let _place = if request.streams.is_empty() {
        None
    } else {
        Some(sandbox.capacity().streaming_place().await)
    };
    let _slot = sandbox.capacity().slot().await;
    let fuel = request.terms.limits.fuel;
    let wasi = open_files(program, &request).await;
    let mut store = new_store(sandbox, program, request, wasi, stdio.clone());
    refuel(&mut store, program, fuel);
    let inherited = store.data().resources.inherited.clone();
    let called = if is_program {
        inherited
            .forward(&stdio, pin!(start(&mut store, program, function)))
            .await
    } else {
        inherited
            .forward(&stdio, pin!(call(&mut store, program, function)))
            .await
    };
    note_fuel(&store, program, fuel, fuel_used);
    match called {
        Ok(code) if is_program => Ok(store.into_data().exit(code)),
        Ok(code) => store.into_data().finish(code),
        Err(error) => Err(fault::from_error(&error, store.into_data())),
    }
}

/// Refuses a preview that is granted something by which it could change this host, or another one.
/// The agent checks this itself, so that a preview changes nothing whatever its controller asks for.
fn check_preview(grants: &Grants) -> Result<(), Fault> {
    match grants.harmful() {
        None => Ok(()),
        Some(need) => {
            let reason = format!("it was to be granted {need}");
            Err(Fault::PreviewRefused(bounded(reason)))
        }
    }
}

/// Finds the export that `request` wants to run, or says why `program` cannot be called like that.
pub(crate) fn check<'a>(
    program: &'a Program,
    request: &Request,
) -> Result<&'a ModuleExport, Fault> {
    if request.terms.is_metered() && !program.is_metered() {
        return Err(Fault::BadModule(
            "it was compiled without what a seed or a limit on fuel takes".into(),
        ));
    }
    if request.terms.preview {
        check_preview(&request.terms.grants)?;
    }
    let function = match &request.entry {
        Entry::Task(name) => program.function(name)?,
        Entry::Program(_) => program.start()?,
    };
    match request.input.len() as u64 {
        asked if asked > MAX_INPUT_BYTES => Err(LimitHit {
            which: LimitKind::Input,
            limit: MAX_INPUT_BYTES,
            asked,
        }
        .into()),
        _ => Ok(function),
    }
}

/// Opens the files that a guest is granted, if it can ask for any.
pub(crate) async fn open_files(program: &Program, request: &Request) -> Parts {
    let paths = &request.terms.grants.paths;
    let uses_files = program.uses_files();
    let opened = if uses_files && !paths.is_empty() {
        Some(Opened::open(paths.clone(), program.uses_file_calls()).await)
    } else {
        None
    };
    Parts {
        opened,
        uses_files,
        ..Parts::default()
    }
}

/// Creates a store for a guest that yields at each tick.
pub(crate) fn new_store(
    sandbox: &Sandbox,
    program: &Program,
    request: Request,
    wasi: Parts,
    stdio: Arc<Stdio>,
) -> Store<Guest> {
    let guest = Guest::new(request, wasi, stdio, sandbox.capacity(), sandbox.supply());
    let mut store = Store::new(program.engine(), guest);
    store.limiter(|guest| &mut guest.growth);
    // Each tick makes the guest yield. Wasmtime's own way to yield may be polled again at once;
    // tokio's lets other tasks go first.
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::YieldCustom(1, Box::pin(yield_now()))));
    store
}

/// Prepares a store for the next call.
pub(crate) fn refuel(store: &mut Store<Guest>, program: &Program, fuel: Option<u64>) {
    store.set_epoch_deadline(1);
    if program.is_metered() {
        store
            .set_fuel(fuel.unwrap_or(u64::MAX))
            .expect("a metered engine counts fuel");
    }
}

/// Notes how much of its fuel the last call used.
pub(crate) fn note_fuel(
    store: &Store<Guest>,
    program: &Program,
    fuel: Option<u64>,
    used: &OnceLock<u64>,
) {
    if program.is_metered() {
        let left = store.get_fuel().expect("a metered engine counts fuel");
        let _ = used.set(fuel.unwrap_or(u64::MAX).saturating_sub(left));
    }
}

/// Creates an instance, and runs its `_initialize` if any.
pub(crate) async fn instantiate(
    store: &mut Store<Guest>,
    program: &Program,
) -> wasmtime::Result<Instance> {
    let instance = program.pre.instantiate_async(&mut *store).await?;
    if let Some(initialize) = program.initialize() {
        export::<()>(store, &instance, initialize)?
            .call_async(&mut *store, ())
            .await?;
    }
    Ok(instance)
}

async fn call(
    store: &mut Store<Guest>,
    program: &Program,
    function: &ModuleExport,
) -> wasmtime::Result<i32> {
    let instance = instantiate(store, program).await?;
    export(store, &instance, function)?
        .call_async(store, ())
        .await
}

/// Runs a program to its exit code.
async fn start(
    store: &mut Store<Guest>,
    program: &Program,
    start: &ModuleExport,
) -> wasmtime::Result<i32> {
    let instance = program.pre.instantiate_async(&mut *store).await?;
    let ended = export::<()>(store, &instance, start)?
        .call_async(store, ())
        .await;
    ended
        .map(|()| 0)
        .or_else(|error| wasi::exit_code(&error).ok_or(error))
}

pub(crate) fn export<R: WasmResults>(
    store: &mut Store<Guest>,
    instance: &Instance,
    export: &ModuleExport,
) -> wasmtime::Result<TypedFunc<(), R>> {
    match instance.get_module_export(&mut *store, export) {
        Some(Extern::Func(function)) => function.typed(store),
        _ => bail!("a program lost an export it was loaded with"),
    }
}
