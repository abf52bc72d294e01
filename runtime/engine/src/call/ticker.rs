//! The pulse that makes computing guests yield: an OS thread that advances the engine's epoch while
//! a guest runs.
//!
//! A thread and not a task, because guests that compute can occupy every thread of an async
//! runtime.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::Duration,
};

use wasmtime::Engine;

/// Time that a guest may compute before it yields: short compared with what a person notices, long
/// compared with a context switch.
const TICK: Duration = Duration::from_millis(5);

/// Small: the thread only sleeps and increments.
const THREAD_STACK_BYTES: usize = 64 << 10;

/// Advances an engine's epoch while guests run. Its thread sleeps while no guest runs, and ends
/// when this is dropped.
pub(crate) struct Ticker {
    pulse: Arc<Pulse>,
    thread: Thread,
}

#[derive(Default)]
struct Pulse {
    running: AtomicUsize,
    /// The thread is about to park, or has parked: code that clears this must unpark it.
    parked: AtomicBool,
    stopped: AtomicBool,
    /// Another engine with guests, once there is one.
    second: OnceLock<Engine>,
}

impl Ticker {
    pub(crate) fn start(engine: Engine) -> io::Result<Self> {
        let pulse = Arc::new(Pulse::default());
        let theirs = pulse.clone();
        let handle = thread::Builder::new()
            .name("wxec-ticker".into())
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || theirs.beat(&engine))?;
        Ok(Self {
            pulse,
            thread: handle.thread().clone(),
        })
    }

    /// Ticks for a second engine as well.
    pub(crate) fn tick_too(&self, engine: Engine) {
        let _ = self.pulse.second.set(engine);
    }

    /// Ticks at least until the guard is dropped.
    pub(crate) fn guest_runs(&self) -> GuestRuns<'_> {
        self.pulse.running.fetch_add(1, SeqCst);
        self.wake();
        GuestRuns(&self.pulse)
    }

    fn wake(&self) {
        // The load keeps the common case, a thread already awake, free of a write.
        if self.pulse.parked.load(SeqCst) && self.pulse.parked.swap(false, SeqCst) {
            self.thread.unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.pulse.stopped.store(true, SeqCst);
        self.wake();
    }
}

/// Guard: a guest is on some thread while this lives.
pub(crate) struct GuestRuns<'a>(&'a Pulse);

impl Drop for GuestRuns<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl Pulse {
    fn beat(&self, engine: &Engine) {
        while !self.stopped.load(SeqCst) {
            // Announce, then look: a guest that starts after the look sees the announcement and
            // unparks.
            self.parked.store(true, SeqCst);
            if self.running.load(SeqCst) == 0 && !self.stopped.load(SeqCst) {
                thread::park();
            }
            self.parked.store(false, SeqCst);
            thread::sleep(TICK);
            engine.increment_epoch();
            if let Some(second) = self.second.get() {
                second.increment_epoch();
            }
        }
    }
}
