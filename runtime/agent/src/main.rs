//! The agent's program: connects stdin and stdout to the event loop, and ends with them.
//!
//! `wxec-agent [TITLE [FILE]]`: TITLE is the name shown in process lists; FILE is the program's own
//! file, which it removes.

use std::{
    env,
    error::Error,
    ffi::OsStr,
    io, mem,
    os::unix::process::CommandExt,
    panic,
    path::Path,
    process::{Command, ExitCode},
    sync::Mutex,
    thread,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use wxec_agent::{ITSELF, heap::Heap, memory, serve, stdio, terminal, watcher};
use wxec_engine::Sandbox;

#[global_allocator]
static HEAP: Heap = Heap;

/// Largest number of worker threads. Short calls run on the main thread, with the event loop;
/// longer ones move to a worker.
const MAX_WORKERS: usize = 8;

/// Beside the workers: one that waits for a process or reads a file, and the watcher.
const SPARE_THREADS: usize = 2;

/// A thread that only waits for a lock needs little.
const TRIED_STACK_BYTES: usize = 64 << 10;

/// Enough for a thousand guests with a few dozen files each.
const OPEN_FILES: u64 = 64 << 10;

/// The name that `top` shows beside a title. By default it would be the name of a file descriptor.
const THREAD_NAME: &std::ffi::CStr = c"wxec-agent";

fn main() -> ExitCode {
    let code = match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wxec-agent: {error}");
            ExitCode::FAILURE
        }
    };
    // Does not wait for guests, which may still be computing on other threads.
    std::process::exit(i32::from(code != ExitCode::SUCCESS))
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os();
    let program = arguments.next();
    if program.as_deref() == Some(OsStr::new(terminal::HELPER)) {
        return Err(terminal::become_program(arguments).into());
    }
    if program.as_deref() == Some(OsStr::new(watcher::HELPER)) {
        return Ok(watcher::watch(io::stdin().lock())?);
    }
    watcher::enable();
    let (title, file) = (arguments.next(), arguments.next());
    if let Some(file) = file {
        std::fs::remove_file(file)?;
    }
    // A starter sets `argv[0]`. A controller or container engine that starts the agent's file cannot.
    // Without /proc the agent keeps its name. It must not try then: std takes back that SIGPIPE is
    // ignored before it executes a program, and a guest that writes to a closed pipe would end an agent
    // that goes on.
    if let Some(title) = title.filter(|_| Path::new(ITSELF).exists()) {
        let _ = Command::new(ITSELF).arg0(title).exec();
    }
    let _ = rustix::thread::set_name(THREAD_NAME);

    raise_open_files();
    serve_stdio()
}

/// Serves the controller at the other end of stdin and stdout.
fn serve_stdio() -> Result<(), Box<dyn Error>> {
    let workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX_WORKERS);
    // Both come before the runtime, because they report what the host lacks. The runtime panics
    // where it cannot start its threads.
    let sandbox = Sandbox::new()?;
    try_threads(workers + SPARE_THREADS)?;
    let budget = memory::call_budget(sandbox.target().memory);
    let sandbox = sandbox
        .with_memory_budget(budget)
        .with_process_watch(watcher::notify);
    let workers = start_workers(workers)?;
    // The conversation has a runtime of its own, whose one thread waits for the pipe itself. A
    // worker would wake another worker for each message, in case there is more to do.
    let conversation = Builder::new_current_thread().enable_all().build()?;
    let served = conversation.block_on(async {
        let (reader, writer) = stdio::take()?;
        serve(sandbox, workers.handle().clone(), reader, writer).await
    });
    // Guests may still be computing, with the timers and pipes of the workers. They end with the
    // process.
    mem::forget((workers, conversation));
    Ok(served?)
}

/// Starts the runtime of `count` workers. A process of the same user may have taken, since
/// `try_threads`, what was left for them: the runtime then panics, and would wait for ever, on its way
/// out, for the workers that did start. So this process ends with the panic.
fn start_workers(count: usize) -> io::Result<Runtime> {
    panic::set_hook(Box::new(|panic| {
        let reason = panic.payload_as_str().unwrap_or("cannot start");
        eprintln!("wxec-agent: {reason}");
        std::process::exit(1)
    }));
    let workers = Builder::new_multi_thread()
        .worker_threads(count)
        .enable_all()
        .build();
    let _ = panic::take_hook();
    workers
}

/// Fails if this process may not have `count` more threads at once.
fn try_threads(count: usize) -> io::Result<()> {
    let gate = Mutex::new(());
    thread::scope(|scope| {
        let closed = gate.lock();
        let started = (0..count).try_for_each(|_| {
            let wait = || drop(gate.lock());
            thread::Builder::new()
                .stack_size(TRIED_STACK_BYTES)
                .spawn_scoped(scope, wait)
                .map(drop)
        });
        drop(closed);
        started.map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot start {count} threads: {error}"),
            )
        })
    })
}

/// Raises the limit on open files, from the usual thousand. Guests have files, sockets and pipes, and
/// each directory that a call is granted is one more.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit
        .maximum
        .map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                ..limit
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set where the test below is the process that cannot start threads.
    const LIMITED: &str = "WXEC_TEST_LIMITED";

    /// Less than the stack of a worker.
    const SPARE_BYTES: u64 = 1 << 20;

    #[test]
    fn workers_that_cannot_start_end_the_process() {
        if env::var_os(LIMITED).is_some() {
            let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
            let limit = getrlimit(Resource::As);
            let current = pages * rustix::param::page_size() as u64 + SPARE_BYTES;
            let limit = Rlimit {
                current: Some(current),
                ..limit
            };
            setrlimit(Resource::As, limit).unwrap();
            drop(start_workers(2));
            return;
        }
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("tests::workers_that_cannot_start_end_the_process")
            .env(LIMITED, "")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("wxec-agent: "), "{said}");
    }
}
