//! Instances that outlive their calls: what a task keeps in its memory is there when the next one comes.

use std::{
    mem,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Instance, ModuleExport, Store};
use wxec_protocol::{Fault, LogRecord, OutputStream};

use crate::{
    call::{self, Request},
    fault::{self, bounded},
    guest::Guest,
    limits::LimitHit,
    output::{Output, Room, Stdio},
    program::Program,
    sandbox::Sandbox,
};

/// An instance of a program that is called again and again. Its calls run one after another, in the order in which they
/// were first polled. It begins with the first one, whose grants, seed and limits on memory, files and processes it
/// keeps; but whether it may ask for facts and other hosts is each call's own.
///
/// A call that does not return, because it fails or is ended, takes the instance along. Cheap to clone; it ends with
/// the last clone.
#[derive(Clone)]
pub struct Resident {
    program: Program,
    state: Arc<tokio::sync::Mutex<State>>,
    _place: Arc<OwnedSemaphorePermit>,
}

enum State {
    New,
    Living(Living),
    /// And why.
    Gone(String),
}

struct Living {
    store: Store<Guest>,
    /// From the first call on.
    instance: Option<Instance>,
    listener: Arc<Listener>,
    _slot: OwnedSemaphorePermit,
}

impl Resident {
    pub(crate) fn new(sandbox: &Sandbox, program: &Program) -> Result<Self, LimitHit> {
        let place = sandbox.capacity().resident()?;
        let state = tokio::sync::Mutex::new(State::New);
        Ok(Self { program: program.clone(), state: Arc::new(state), _place: Arc::new(place) })
    }

    /// Runs one call when those before it have ended. Notes the fuel it used.
    pub(crate) async fn call(
        &self,
        sandbox: &Sandbox,
        request: Request,
        stdio: Arc<Stdio>,
        fuel_used: &OnceLock<u64>,
    ) -> Result<Bytes, Fault> {
        let function = call::check(&self.program, &request)?;
        let fuel = request.limits.fuel;
        let mut state = self.state.lock().await;
        // A call that waits does not harm the instance if it is dropped; so it waits before it takes it.
        let slot = match &*state {
            State::Gone(reason) => return Err(Fault::InstanceGone { reason: reason.clone() }),
            State::New => Some(sandbox.capacity().owned_slot().await),
            State::Living(_) => None,
        };

        // If this is dropped from here on, so is the instance.
        let before = mem::replace(&mut *state, State::Gone("an earlier call was ended before it returned".into()));
        let mut living = match (before, slot) {
            (State::Living(mut living), _) => {
                living.listener.listen(stdio.clone());
                living.store.data_mut().refill(request);
                living
            }
            (_, Some(slot)) => Living::new(sandbox, &self.program, request, stdio.clone(), slot).await,
            (_, None) => return Err(Fault::Agent("an instance without a place".into())),
        };
        let inherited = living.store.data().resources.inherited.clone();
        match inherited.forward(&stdio, living.call(&self.program, function, fuel, fuel_used)).await {
            Ok(code) => {
                let outcome = living.store.data_mut().finish(code);
                *state = State::Living(living);
                outcome
            }
            Err(error) => {
                let fault = fault::from_error(&error, living.store.into_data());
                *state = State::Gone(why(&fault));
                Err(fault)
            }
        }
    }
}

impl Living {
    async fn new(
        sandbox: &Sandbox,
        program: &Program,
        request: Request,
        stdio: Arc<Stdio>,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let listener = Arc::new(Listener(Mutex::new(stdio)));
        // What limits each call's output stands behind the listener.
        let stdio = Arc::new(Stdio::new(listener.clone(), u64::MAX));
        let store = call::new_store(sandbox, program, request, stdio).await;
        Self { store, instance: None, listener, _slot: slot }
    }

    async fn call(
        &mut self,
        program: &Program,
        function: &ModuleExport,
        fuel: Option<u64>,
        fuel_used: &OnceLock<u64>,
    ) -> wasmtime::Result<i32> {
        let store = &mut self.store;
        call::refuel(store, program, fuel);
        let instance = match self.instance {
            Some(instance) => instance,
            None => *self.instance.insert(call::instantiate(store, program).await?),
        };
        let code = call::export(store, &instance, function)?.call_async(&mut *store, ()).await;
        call::note_fuel(store, program, fuel, fuel_used);
        code
    }
}

/// The output of the call that runs now.
struct Listener(Mutex<Arc<Stdio>>);

impl Listener {
    fn listen(&self, stdio: Arc<Stdio>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stdio;
    }

    fn current(&self) -> Arc<Stdio> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Output for Listener {
    fn write(&self, stream: OutputStream, bytes: &[u8]) {
        match stream {
            OutputStream::Stdout => self.current().stdout(bytes),
            OutputStream::Stderr => self.current().stderr(bytes),
        }
    }

    fn log(&self, record: LogRecord<'_>) {
        self.current().log(record.level, record.target.as_bytes(), record.message.as_bytes());
    }

    fn room(&self) -> Option<Room> {
        self.current().room()
    }
}

fn why(fault: &Fault) -> String {
    bounded(match fault {
        Fault::Panic { panic, .. } => format!("an earlier call panicked: {}", panic.message),
        Fault::Trap { reason, .. } => format!("an earlier call trapped: {reason}"),
        Fault::Limit { which, limit, .. } => {
            format!("an earlier call hit its {which} limit of {limit} {}", which.unit())
        }
        _ => "an earlier call failed".into(),
    })
}
