//! The sandbox: its engine, a second one for code that counts fuel, the imports they offer, and the
//! programs loaded into them.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use wasmtime::{Engine, Linker, Module};
use wxec_protocol::{Code, Fault, Memory, Target};

use crate::{
    call::fault,
    call::guest::Guest,
    call::output::Output,
    call::program::Program,
    call::resident::Resident,
    call::run::{self, Completion, Request},
    call::supply::Supply,
    call::ticker::Ticker,
    hostcalls::{self, ProcessWatch},
    limits::budget::Budget,
    limits::capacity::Capacity,
    load::artifact::VerifiedArtifact,
    load::engine::metered_engine,
    load::probe::{self, Found},
    wasi,
};

/// Loads programs and runs calls of their functions, each in a fresh instance that shares nothing
/// with any other.
///
/// Cheap to clone; all clones are the same sandbox.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
    capacity: Arc<Capacity>,
}

struct Shared {
    plain: Loader,
    /// Loader of programs that count fuel, created on first use: most agents never need it.
    metered: OnceLock<Result<Loader, String>>,
    ticker: Ticker,
    /// Guests that fit at once.
    slots: u32,
    supply: Arc<Supply>,
    target: Target,
    notes: Vec<String>,
}

/// Loads artifacts of one kind.
struct Loader {
    engine: Engine,
    linker: Linker<Guest>,
}

/// The sandbox cannot be set up on this host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Wasmtime refuses this host, in wasmtime's own words.
    #[error("cannot set up wasmtime: {0}")]
    Wasmtime(String),
    /// The thread that interrupts guests cannot be started, or has no timer.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

impl From<wasmtime::Error> for EngineError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Wasmtime(format!("{error:#}"))
    }
}

impl Sandbox {
    /// Sets up the best sandbox this host allows, and a thread that sleeps while no guest computes.
    pub fn new() -> Result<Self, EngineError> {
        Self::start(probe::find()?)
    }

    /// Sets up a sandbox for artifacts of one kind, whatever else this host allows.
    pub fn with(code: Code, memory: Memory) -> Result<Self, EngineError> {
        Self::start(probe::take(code, memory)?)
    }

    fn start(found: Found) -> Result<Self, EngineError> {
        let Found {
            engine,
            target,
            slots,
            notes,
        } = found;
        let ticker = Ticker::start(engine.clone())?;
        let (plain, metered) = (Loader::new(engine)?, OnceLock::new());
        let capacity = Arc::new(Capacity::new(slots as usize, Budget::default()));
        let shared = Arc::new(Shared {
            plain,
            metered,
            ticker,
            slots,
            supply: Arc::default(),
            target,
            notes,
        });
        Ok(Self { shared, capacity })
    }

    /// Limits what all guests hold together to `bytes`: their memories, and their results until
    /// these are dropped.
    ///
    /// A guest that wants more than the others have left is told that there is no memory, and if it
    /// gives up, its call ends in
    /// [`LimitKind::TotalMemory`](wxec_protocol::LimitKind::TotalMemory). No more guests run at
    /// once than could each have the usual amount; other calls wait.
    #[must_use]
    pub fn with_memory_budget(self, bytes: u64) -> Self {
        let capacity = Arc::new(Capacity::new(
            self.shared.slots as usize,
            Budget::new(bytes),
        ));
        Self { capacity, ..self }
    }

    /// Tells `watch` of the process group of each process that a guest starts, and again when that
    /// process has ended.
    #[must_use]
    pub fn with_process_watch(self, watch: ProcessWatch) -> Self {
        self.supply().reaper.watch(watch);
        self
    }

    /// Returns the bytes that all guests together may hold.
    pub fn memory_budget(&self) -> u64 {
        self.capacity.budget.limit()
    }

    /// Returns the target of artifacts, unless they are [metered](Self::load_metered).
    pub fn target(&self) -> &Target {
        &self.shared.target
    }

    /// Returns the target of artifacts for calls that have a seed, or a limit on fuel.
    pub fn metered_target(&self) -> Target {
        Target {
            metered: true,
            ..self.shared.target.clone()
        }
    }

    /// Returns what this host does not allow, and the consequence, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.shared.notes
    }

    /// Loads an artifact. Takes time in proportion to its size, and no lock that running calls
    /// need.
    pub fn load(&self, artifact: &VerifiedArtifact) -> Result<Program, Fault> {
        Program::link(
            &self.shared.plain.load(artifact)?,
            &self.shared.plain.linker,
            false,
        )
    }

    /// Loads an artifact that was compiled for [`metered_target`](Self::metered_target). The first
    /// such artifact takes some milliseconds more.
    pub fn load_metered(&self, artifact: &VerifiedArtifact) -> Result<Program, Fault> {
        let loader = self
            .shared
            .metered
            .get_or_init(|| self.start_metered().map_err(|error| format!("{error:#}")));
        let loader = loader
            .as_ref()
            .map_err(|error| Fault::Agent(format!("cannot count fuel here: {error}")))?;
        Program::link(&loader.load(artifact)?, &loader.linker, true)
    }

    fn start_metered(&self) -> wasmtime::Result<Loader> {
        let loader = Loader::new(metered_engine(
            self.shared.target.code,
            self.shared.target.memory,
        )?)?;
        self.shared.ticker.tick_too(loader.engine.clone());
        Ok(loader)
    }

    /// Runs a function of `program`.
    ///
    /// Dropping the future ends the guest. The future may be polled by hand, and moved to another
    /// thread between polls: most calls are done at the first poll, and a guest that still computes
    /// after some milliseconds returns `Pending`. Polling needs a tokio runtime with timers and I/O
    /// around it. Calls beyond [`MAX_RUNNING`](crate::MAX_RUNNING), or beyond the room of this
    /// host, wait for their turn; their deadlines do not wait.
    pub fn run(
        &self,
        program: &Program,
        request: Request,
        output: Arc<dyn Output>,
    ) -> impl Future<Output = Completion> + Send + use<> {
        run::run(self.clone(), program.clone(), request, output)
    }

    /// Creates an instance of `program` that stays until it is dropped, and takes a place from
    /// other calls. The number of such instances is limited.
    pub fn resident(&self, program: &Program) -> Result<Resident, Fault> {
        Ok(Resident::new(self, program)?)
    }

    /// Runs a function of a resident instance, after the calls before it. Otherwise like
    /// [`run`](Self::run).
    pub fn run_resident(
        &self,
        resident: &Resident,
        request: Request,
        output: Arc<dyn Output>,
    ) -> impl Future<Output = Completion> + Send + use<> {
        run::run_resident(self.clone(), resident.clone(), request, output)
    }

    /// Ends the processes of all calls, and refuses to start more: for the end of a session, when
    /// some calls may still run. Returns when the processes are gone, or after a second.
    pub fn end_processes(&self) {
        self.shared.supply.reaper.shut_down();
    }

    pub(crate) fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    pub(crate) fn supply(&self) -> &Arc<Supply> {
        &self.shared.supply
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.shared.ticker
    }
}

impl Loader {
    fn new(engine: Engine) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(&engine);
        hostcalls::link(&mut linker)?;
        wasi::link(&mut linker)?;
        Ok(Self { engine, linker })
    }

    fn load(&self, artifact: &VerifiedArtifact) -> Result<Module, Fault> {
        let code = artifact.unpack();
        let code = code.map_err(|error| Fault::BadModule(error.to_string()))?;
        // SAFETY: `deserialize` requires the unchanged output of wasmtime's compiler; it checks
        // version and settings but not integrity. A `VerifiedArtifact` holds the very bytes that
        // hash to its digest, in memory that does not change; if it unpacks, then to what its
        // controller unpacked from it by the same code. The digest was named by this
        // session's controller, which compiled the module; a controller that lies gains nothing,
        // since it may run any command here anyway.
        unsafe { Module::deserialize(&self.engine, &code) }
            .map_err(|error| fault::bad_module(&error))
    }
}
