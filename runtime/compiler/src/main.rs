//! `wxec-compiler TARGET MEMORY CPU WALL`: reads a WebAssembly module from stdin, and writes its
//! artifact for that target to stdout.
//!
//! A hostile module can take its compiler very long, or very much memory. So this is a process of
//! its own, and it limits itself before it reads a byte: to MEMORY bytes, CPU seconds of processor
//! time, and WALL seconds altogether.
//!
//! It exits with 1 and one line on stderr if the module cannot be compiled or takes longer than
//! WALL, and with 2 if it was called wrongly. The kernel enforces the other two limits: more
//! processor time ends it by SIGXCPU, and more memory by SIGABRT, after Rust's words `memory
//! allocation of … bytes failed`.

use std::{
    env,
    error::Error,
    fmt,
    io::{self, Read, Write},
    num::ParseIntError,
    panic,
    process::{self, ExitCode},
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wxec_engine::{MAX_WASM_BYTES, compile};
use wxec_protocol::Target;

/// Maximum number of threads. Each takes address space for its stack and a heap of its own, and
/// some machines have hundreds of processors.
const MAX_THREADS: usize = 8;

/// Time from SIGXCPU, which tells a caller what happened, to SIGKILL, which cannot be ignored. The
/// kernel sends only SIGKILL where both are due.
const CPU_GRACE_SECONDS: u64 = 5;

/// Limits on what compiling may take.
struct Limits {
    memory_bytes: u64,
    cpu_seconds: u64,
    wall_seconds: u64,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [target, memory, cpu, wall] = &*arguments else {
        eprintln!("usage: wxec-compiler TARGET MEMORY CPU WALL <MODULE >ARTIFACT");
        return ExitCode::from(2);
    };
    let target = match target.parse() {
        Ok(target) => target,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let limits = match Limits::parse(memory, cpu, wall) {
        Ok(limits) => limits,
        Err(error) => {
            eprintln!("MEMORY, CPU and WALL are numbers of bytes and seconds: {error}");
            return ExitCode::from(2);
        }
    };
    panic::set_hook(Box::new(|panic| fail(panic)));
    match run(&target, &limits) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn run(target: &Target, limits: &Limits) -> Result<(), Box<dyn Error>> {
    limits.enforce()?;

    // One byte too many is enough for `compile` to see that there are too many.
    let mut wasm = Vec::new();
    io::stdin()
        .take(MAX_WASM_BYTES as u64 + 1)
        .read_to_end(&mut wasm)?;
    let artifact = compile(&wasm, target)?;
    io::stdout().write_all(&artifact)?;
    Ok(())
}

impl Limits {
    fn parse(memory: &str, cpu: &str, wall: &str) -> Result<Self, ParseIntError> {
        Ok(Self {
            memory_bytes: memory.parse()?,
            cpu_seconds: cpu.parse()?,
            wall_seconds: wall.parse()?,
        })
    }

    /// Holds this process to the limits.
    fn enforce(&self) -> Result<(), Box<dyn Error>> {
        let cpu_end = self.cpu_seconds.saturating_add(CPU_GRACE_SECONDS);
        lower(Resource::As, self.memory_bytes, self.memory_bytes)?;
        lower(Resource::Cpu, self.cpu_seconds, cpu_end)?;
        lower(Resource::Core, 0, 0)?;

        // Limit the wall clock too: waiting for a disk or for other processes takes no processor
        // time.
        let wall = Duration::from_secs(self.wall_seconds);
        let complaint = format!("it took more than {} s", self.wall_seconds);
        thread::Builder::new().spawn(move || {
            thread::sleep(wall);
            fail(&complaint)
        })?;
        let threads = thread::available_parallelism()?.get().min(MAX_THREADS);
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()?;
        Ok(())
    }
}

fn lower(resource: Resource, current: u64, maximum: u64) -> Result<(), Box<dyn Error>> {
    // The parent process may have set a lower limit, which cannot be raised again.
    let cap = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    setrlimit(
        resource,
        Rlimit {
            current: Some(current.min(cap)),
            maximum: Some(maximum.min(cap)),
        },
    )?;
    Ok(())
}

/// Ends the process, whichever thread calls it.
fn fail(complaint: &dyn fmt::Display) -> ! {
    eprintln!("{}", complaint.to_string().replace('\n', " "));
    process::exit(1)
}
