//! The agent's program: joins stdin and stdout to the event loop, and ends with them.
//!
//! `wxec-agent [TITLE [FILE]]`: TITLE is what lists of processes show it as, FILE is its own file, to be removed.

use std::{
    env,
    error::Error,
    ffi::OsStr,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wxec_agent::{memory, serve, stdio, terminal, watcher};
use wxec_engine::Sandbox;

/// musl's allocator would make a call cost 38 µs rather than 10.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Calls run on the event loop's thread while they are short, and move to one of these when they are not.
const MAX_WORKERS: usize = 8;

/// Enough for a thousand guests with a few dozen files each.
const OPEN_FILES: u64 = 64 << 10;

/// What `top` shows beside a title: without it that would be the name of a file descriptor.
const THREAD_NAME: &std::ffi::CStr = c"wxec-agent";

fn main() -> ExitCode {
    let code = match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wxec-agent: {error}");
            ExitCode::FAILURE
        }
    };
    // Guests may still be computing on other threads: nothing waits for them.
    std::process::exit(i32::from(code != ExitCode::SUCCESS))
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os();
    let program = arguments.next();
    if program.as_deref() == Some(OsStr::new(terminal::HELPER)) {
        return Err(terminal::become_program(arguments).into());
    }
    if program.as_deref() == Some(OsStr::new(watcher::HELPER)) {
        return Ok(watcher::watch(std::io::stdin().lock())?);
    }
    watcher::enable();
    let (title, file) = (arguments.next(), arguments.next());
    if let Some(file) = file {
        std::fs::remove_file(file)?;
    }
    if let Some(title) = title {
        // Most shells cannot name what they start. Without /proc it stays nameless.
        let _ = Command::new(terminal::ITSELF).arg0(title).exec();
    }
    let _ = rustix::thread::set_name(THREAD_NAME);

    raise_open_files();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    // First, because it says what it lacks; the runtime panics where it cannot start its threads.
    let sandbox = Sandbox::new()?;
    let budget = memory::for_calls(sandbox.target().memory);
    let sandbox = sandbox.with_memory_budget(budget).with_process_watch(watcher::tell);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    // On a worker's thread, which waits for the pipe itself; this one would have to be woken for each message.
    let served = runtime.block_on(async {
        let (reader, writer) = stdio::take()?;
        tokio::spawn(serve(sandbox, reader, writer)).await.map_err(std::io::Error::other)?
    });
    runtime.shutdown_background();
    Ok(served?)
}

/// Guests have files, sockets and pipes, and every directory that a call is granted is one more. Most systems let a process
/// raise its limit from a thousand.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
    }
}
