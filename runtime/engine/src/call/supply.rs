//! Files, processes and threads that all calls of an agent share, limited so that many calls cannot
//! take what the agent itself needs.

use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use tokio::sync::Semaphore;

use crate::{hostcalls::Reaper, sync::blocking};

/// File descriptors kept for the agent itself: its connection, event loops, and the controller's
/// programs with some pipes each. Where the system allows less than twice this, guests get half of
/// what it allows.
const RESERVED_FILES: u64 = 256;

/// File descriptors of all guests where the system sets no limit: enough for a thousand calls with
/// some processes each.
const MAX_FILES: u64 = 64 << 10;

/// Processes of all guests at once. A limit of the system counts all processes of the account, so
/// guests get half of it.
const MAX_CHILDREN: u64 = 1000;

/// Concurrent lookups of names. The system's resolver cannot be stopped: a silent name server costs
/// a thread half a minute.
const MAX_LOOKUPS: usize = 8;

/// Programs that are found and started concurrently. Each takes a millisecond, unless a file system
/// hangs.
const MAX_STARTS: usize = 8;

/// Resources shared by all calls of a sandbox.
pub(crate) struct Supply {
    pub(crate) files: Arc<Semaphore>,
    pub(crate) children: Arc<Semaphore>,
    pub(crate) lookups: Threads,
    pub(crate) starts: Threads,
    pub(crate) reaper: Reaper,
}

impl Default for Supply {
    /// Takes as much as this process' own limits leave.
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
    Arc::new(Semaphore::new(
        usize::try_from(permits).expect("some thousand fit"),
    ))
}

/// Threads for work that cannot be stopped. A caller that waits for the work can be dropped; the
/// work goes on, and keeps its place.
pub(crate) struct Threads(Arc<Semaphore>);

impl Threads {
    /// Runs `work` on one of the threads. Drops its result if the caller waits no longer.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let place = self
            .0
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        // The runtime refuses work only when it shuts down, and then no caller waits.
        blocking(move || {
            let _place = place;
            work()
        })
        .await
    }
}
