//! Resident instances: they outlive their calls, so that a task finds in memory what an earlier
//! call left there.

use std::{
    mem,
    pin::pin,
    sync::{Arc, Mutex, OnceLock},
};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Instance, ModuleExport, Store};
use wxec_protocol::{Fault, LogRecord, OutputStream};

use crate::{
    call::guest::Guest,
    call::output::{Output, Room, Stdio},
    call::program::Program,
    call::run::{self, Request},
    call::sandbox::Sandbox,
    limits::growth::LimitHit,
    limits::text::bounded,
    sync::lock,
};

/// An instance of a program that is called again and again. Its calls run one after another, in the
/// order in which they were first polled. The first call creates the instance, which keeps the
/// grants, the seed and the limits on memory, files and processes of that call. Grants to ask for
/// facts and other hosts are those of each call.
///
/// A call that does not return, because it traps or is ended, ends the instance as well. Cheap to
/// clone; the instance ends with the last clone.
#[derive(Clone)]
pub struct Resident {
    program: Program,
    state: Arc<tokio::sync::Mutex<State>>,
    _place: Arc<OwnedSemaphorePermit>,
}

enum State {
    New,
    Living(Living),
    /// Gone, with the reason.
    Gone(String),
}

struct Living {
    store: Store<Guest>,
    /// `None` before the first call.
    instance: Option<Instance>,
    listener: Arc<Listener>,
    _slot: OwnedSemaphorePermit,
}

impl Resident {
    pub(crate) fn new(sandbox: &Sandbox, program: &Program) -> Result<Self, LimitHit> {
        let place = sandbox.capacity().resident()?;
        let state = tokio::sync::Mutex::new(State::New);
        Ok(Self {
            program: program.clone(),
            state: Arc::new(state),
            _place: Arc::new(place),
        })
    }

    /// Runs one call after the calls before it have ended. Notes the fuel it used.
    pub(crate) async fn call(
        &self,
        sandbox: &Sandbox,
        request: Request,
        stdio: Arc<Stdio>,
        fuel_used: &OnceLock<u64>,
    ) -> Result<Bytes, Fault> {
        if request.terms.preview {
            let reason = "an instance keeps the grants of its first call";
            return Err(Fault::PreviewRefused(reason.into()));
        }
        let function = run::check(&self.program, &request)?;
        let fuel = request.terms.limits.fuel;
        let mut state = self.state.lock().await;
        // Wait before taking the instance out of `state`: dropping a call that waits then does not
        // harm the instance.
        let slot = match &*state {
            State::Gone(reason) => {
                return Err(Fault::InstanceGone {
                    reason: reason.clone(),
                });
            }
            State::New => Some(sandbox.capacity().owned_slot().await),
            State::Living(_) => None,
        };

        // If this future is dropped from here on, the instance is dropped too.
        let before = mem::replace(
            &mut *state,
            State::Gone("an earlier call was ended before it returned".into()),
        );
        let mut living = match (before, slot) {
            (State::Living(mut living), _) => {
                living.listener.listen(stdio.clone());
                living.store.data_mut().refill(request);
                living
            }
            (_, Some(slot)) => {
                Living::new(sandbox, &self.program, request, stdio.clone(), slot).await
            }
            (_, None) => return Err(Fault::Agent("an instance without a place".into())),
        };
        let inherited = living.store.data().resources.inherited.clone();
        let called = {
            let call = pin!(living.call(&self.program, function, fuel, fuel_used));
            inherited.forward(&stdio, call).await
        };
        match called {
            Ok(code) => {
                let outcome = living.store.data_mut().finish(code);
                *state = State::Living(living);
                outcome
            }
            Err(error) => {
                let fault = crate::call::fault::from_error(&error, living.store.into_data());
                *state = State::Gone(reason_of(&fault));
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
        // No limit here: the limit of each call's output applies behind the listener.
        let stdio = Arc::new(Stdio::new(listener.clone(), u64::MAX));
        let wasi = run::open_files(program, &request).await;
        let store = run::new_store(sandbox, program, request, wasi, stdio);
        Self {
            store,
            instance: None,
            listener,
            _slot: slot,
        }
    }

    async fn call(
        &mut self,
        program: &Program,
        function: &ModuleExport,
        fuel: Option<u64>,
        fuel_used: &OnceLock<u64>,
    ) -> wasmtime::Result<i32> {
        let store = &mut self.store;
        run::refuel(store, program, fuel);
        let instance = match self.instance {
            Some(instance) => instance,
            None => *self
                .instance
                .insert(run::instantiate(store, program).await?),
        };
        let code = run::export(store, &instance, function)?
            .call_async(&mut *store, ())
            .await;
        run::note_fuel(store, program, fuel, fuel_used);
        code
    }
}

/// Passes output on to the call that runs now.
struct Listener(Mutex<Arc<Stdio>>);

impl Listener {
    fn listen(&self, stdio: Arc<Stdio>) {
        *lock(&self.0) = stdio;
    }

    fn current(&self) -> Arc<Stdio> {
        lock(&self.0).clone()
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
        self.current().log(
            record.level,
            record.target.as_bytes(),
            record.message.as_bytes(),
        );
    }

    fn room(&self) -> Option<Room> {
        self.current().room()
    }
}

fn reason_of(fault: &Fault) -> String {
    bounded(match fault {
        Fault::Panic { panic, .. } => format!("an earlier call panicked: {}", panic.message),
        Fault::Trap { reason, .. } => format!("an earlier call trapped: {reason}"),
        Fault::Limit { which, limit, .. } => {
            format!(
                "an earlier call hit its {which} limit of {limit} {}",
                which.unit()
            )
        }
        _ => "an earlier call failed".into(),
    })
}
