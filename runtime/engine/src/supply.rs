//! What all calls of an agent draw on together, so that many of them cannot take what the agent itself needs.

use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::hostcalls::Reaper;

/// Files of the agent itself: its conversation and event loops, programs of the controller with some pipes each.
/// Where less than twice this may be open, guests have half.
const RESERVED_FILES: u64 = 256;

/// Files of guests where nothing is limited: those of a thousand calls with some processes each.
const MAX_FILES: u64 = 64 << 10;

/// Processes of guests at once. The limit there may be is the account's, who has others; guests have half of it.
const MAX_CHILDREN: u64 = 1000;

/// Names that are looked up at once. The system's resolver cannot be stopped: a thread whose name server is silent is
/// lost for half a minute.
const MAX_LOOKUPS: usize = 8;

/// Programs that are found and started at once. That takes a millisecond, unless a file system hangs.
const MAX_STARTS: usize = 8;

/// Shared by all calls of a sandbox.
pub(crate) struct Supply {
    pub(crate) files: Arc<Semaphore>,
    pub(crate) children: Arc<Semaphore>,
    pub(crate) lookups: Threads,
    pub(crate) starts: Threads,
    pub(crate) reaper: Reaper,
}

impl Default for Supply {
    /// As much as this process' own limits leave.
    fn default() -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let processes = getrlimit(Resource::Nproc).current.unwrap_or(u64::MAX);
        Self {
            files: semaphore((files - RESERVED_FILES.min(files / 2)).min(MAX_FILES)),
            children: semaphore((processes / 2).min(MAX_CHILDREN)),
            lookups: Threads(Arc::new(Semaphore::new(MAX_LOOKUPS))),
            starts: Threads(Arc::new(Semaphore::new(MAX_STARTS))),
            reaper: Reaper::default(),
        }
    }
}

fn semaphore(permits: u64) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(permits).expect("some thousand fit")))
}

/// Threads for work that cannot be ended. Whoever waits for it can be dropped; the work goes on, and keeps its place.
pub(crate) struct Threads(Arc<Semaphore>);

impl Threads {
    /// Runs `work` on one of them. What it returns is dropped if nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let place = self.0.clone().acquire_owned().await.expect("the semaphore is never closed");
        let done = spawn_blocking(move || {
            let _place = place;
            work()
        });
        // The runtime refuses only when it ends, and then nobody waits.
        done.await.expect("the work does not panic")
    }
}
