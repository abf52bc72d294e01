//! The sandbox: one engine, the imports it offers, and the programs loaded into it.

use std::{io, sync::Arc};

use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::{Engine, Linker, Module, Store};
use wxec_protocol::{Code, Fault, Memory, Target};

use crate::{
    artifact::VerifiedArtifact,
    call::{self, Completion, Request},
    fault,
    guest::Guest,
    hostcalls,
    output::Output,
    probe::{self, Found},
    program::Program,
    supply::Supply,
    ticker::Ticker,
    wasi,
};

/// Loads programs and runs calls of their functions, each in a fresh instance that shares nothing with any other.
///
/// Cheap to clone; all clones are the same sandbox.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    engine: Engine,
    linker: Linker<Guest>,
    ticker: Ticker,
    slots: Semaphore,
    supply: Arc<Supply>,
    target: Target,
    notes: Vec<String>,
}

/// The sandbox cannot be set up on this host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Wasmtime refuses this host, in its own words.
    #[error("cannot set up wasmtime: {0}")]
    Wasmtime(String),
    /// The thread that interrupts guests cannot be started.
    #[error("cannot start a thread")]
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
        let Found { engine, target, slots, notes } = found;
        let mut linker = Linker::new(&engine);
        hostcalls::link(&mut linker)?;
        wasi::link(&mut linker)?;
        let ticker = Ticker::start(engine.clone())?;
        let slots = Semaphore::new(slots as usize);
        Ok(Self { shared: Arc::new(Shared { engine, linker, ticker, slots, supply: Arc::default(), target, notes }) })
    }

    /// What artifacts must be compiled for.
    pub fn target(&self) -> &Target {
        &self.shared.target
    }

    /// What this host does not allow and what follows from that, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.shared.notes
    }

    /// Loads an artifact. Takes time in proportion to its size, and no lock that running calls need.
    pub fn load(&self, artifact: &VerifiedArtifact) -> Result<Program, Fault> {
        // SAFETY: `deserialize` wants the unchanged output of wasmtime's compiler; it checks version and settings but
        // not integrity. A `VerifiedArtifact` holds the very bytes that hash to its digest, in memory nobody changes.
        // Its digest was named by this session's controller, which compiled the module; a controller that lies gains
        // nothing, since it may run any command here anyway.
        let module = unsafe { Module::deserialize(&self.shared.engine, artifact.bytes()) };
        let module = module.map_err(|error| fault::bad_module(&error))?;
        Program::link(&module, &self.shared.linker)
    }

    /// Runs a function of `program`.
    ///
    /// Dropping the future ends the guest. It may be polled by hand, and moved to another thread between polls: most
    /// calls are done at the first poll, and a guest that still computes when some milliseconds have passed returns
    /// `Pending`. Polling needs a tokio runtime with timers and I/O around it. Calls beyond
    /// [`MAX_RUNNING`](crate::MAX_RUNNING), or what this host has room for, wait for their turn; their deadlines do not.
    pub fn run(
        &self,
        program: &Program,
        request: Request,
        output: Arc<dyn Output>,
    ) -> impl Future<Output = Completion> + Send + use<> {
        call::run(self.clone(), program.clone(), request, output)
    }

    /// Ends the processes of all calls, and refuses to start more: for the end of a session, when calls need not be over.
    /// Returns when they are gone, or after a second.
    pub fn end_processes(&self) {
        self.shared.supply.reaper.shut_down();
    }

    /// A store with nothing in it but `guest`.
    pub(crate) fn store(&self, guest: Guest) -> Store<Guest> {
        Store::new(&self.shared.engine, guest)
    }

    pub(crate) fn supply(&self) -> &Arc<Supply> {
        &self.shared.supply
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.shared.ticker
    }

    /// Waits until one guest more may exist.
    pub(crate) async fn slot(&self) -> SemaphorePermit<'_> {
        // Awaiting takes from the budget of the task that polls; a long row of fast calls in one poll would use it up.
        match self.shared.slots.try_acquire() {
            Ok(slot) => slot,
            Err(_) => self.shared.slots.acquire().await.expect("the semaphore is never closed"),
        }
    }
}
