//! The pulse that makes computing guests yield: an OS thread that advances the engine's epoch while
//! a guest runs.
//!
//! A thread and not a task, because guests that compute can occupy every thread of an async
//! runtime. It waits for a timer of the kernel, which a guest that starts sets: that is one system
//! call for all guests of the next five milliseconds, and wakes no thread. Most guests have ended
//! by then.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use wasmtime::Engine;

/// Time that a guest may compute before it yields, 5 ms: short compared with what a person notices,
/// long compared with a context switch.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 5_000_000,
};

/// The shortest time there is: a timer set to zero would never go off.
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 1,
};

/// Small: the thread only waits and increments.
const THREAD_STACK_BYTES: usize = 64 << 10;

/// Advances an engine's epoch while guests run. Its thread sleeps while no guest runs, and ends
/// when this is dropped.
pub(crate) struct Ticker(Arc<Pulse>);

struct Pulse {
    timer: OwnedFd,
    /// True from setting the timer until the thread has seen that it went off.
    armed: AtomicBool,
    running: AtomicUsize,
    stopped: AtomicBool,
    /// Another engine with guests, once there is one.
    second: OnceLock<Engine>,
}

impl Ticker {
    pub(crate) fn start(engine: Engine) -> io::Result<Self> {
        let pulse = Arc::new(Pulse {
            timer: timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?,
            armed: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            second: OnceLock::new(),
        });
        let theirs = pulse.clone();
        thread::Builder::new()
            .name("wxec-ticker".into())
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || theirs.beat(&engine))?;
        Ok(Self(pulse))
    }

    /// Ticks for a second engine as well.
    pub(crate) fn tick_too(&self, engine: Engine) {
        let _ = self.0.second.set(engine);
    }

    /// Ticks at least until the guard is dropped.
    pub(crate) fn guest_runs(&self) -> GuestRuns<'_> {
        self.0.running.fetch_add(1, SeqCst);
        self.0.arm();
        GuestRuns(&self.0)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.stopped.store(true, SeqCst);
        self.0.set_timer(AT_ONCE);
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
        while self.wait() {
            engine.increment_epoch();
            if let Some(second) = self.second.get() {
                second.increment_epoch();
            }
            // Announce, then look: a guest that starts after the look arms the timer itself.
            self.armed.store(false, SeqCst);
            if self.running.load(SeqCst) > 0 {
                self.arm();
            }
        }
    }

    /// Waits until the timer goes off. Returns false if that was to stop.
    fn wait(&self) -> bool {
        let mut expirations = [0; size_of::<u64>()];
        let _ = rustix::io::read(&self.timer, &mut expirations);
        !self.stopped.load(SeqCst)
    }

    /// Sets the timer, unless it is set already.
    fn arm(&self) {
        // The load keeps the common case, a timer that is set, free of a write.
        if !self.armed.load(SeqCst) && !self.armed.swap(true, SeqCst) {
            self.set_timer(TICK);
        }
    }

    fn set_timer(&self, value: Timespec) {
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: value,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)
            .expect("the descriptor is a timer, and the time is valid");
    }
}
