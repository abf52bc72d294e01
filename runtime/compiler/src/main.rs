//! `wxec-compiler TARGET`: a WebAssembly module on stdin, its artifact for that target on stdout.
//!
//! Exits with 1 and one line on stderr if the module cannot be compiled, with 2 if it was called wrongly. A module can
//! be written to take its compiler very long, or very much memory. So this is a process of its own, it limits itself
//! before it reads a byte, and a caller that finds it killed knows why.

use std::{
    env,
    error::Error,
    io::{self, Read, Write},
    process::ExitCode,
    thread,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wxec_engine::{MAX_WASM_BYTES, compile};
use wxec_protocol::Target;

/// Address space. Far more than any honest module needs, far less than makes a machine swap.
const MAX_MEMORY_BYTES: u64 = 4 << 30;

/// Processor time, all threads together. Python compiled to wasm, the largest module seen, takes 19 s.
const MAX_CPU_SECONDS: u64 = 120;

/// Threads. Each takes address space for its stack and a heap of its own, and some machines have hundreds of processors.
const MAX_THREADS: usize = 8;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [target] = &*arguments else {
        eprintln!("usage: wxec-compiler TARGET <MODULE >ARTIFACT");
        return ExitCode::from(2);
    };
    let target = match target.parse() {
        Ok(target) => target,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match run(&target) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.to_string().replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn run(target: &Target) -> Result<(), Box<dyn Error>> {
    limit_this_process()?;

    // One byte too many is enough for `compile` to see that there are too many.
    let mut wasm = Vec::new();
    io::stdin().take(MAX_WASM_BYTES as u64 + 1).read_to_end(&mut wasm)?;
    let artifact = compile(&wasm, target)?;
    io::stdout().write_all(&artifact)?;
    Ok(())
}

fn limit_this_process() -> Result<(), Box<dyn Error>> {
    let limits = [(Resource::As, MAX_MEMORY_BYTES), (Resource::Cpu, MAX_CPU_SECONDS), (Resource::Core, 0)];
    for (resource, limit) in limits {
        // Whoever started this may have set a lower limit, which cannot be raised again.
        let limit = getrlimit(resource).maximum.map_or(limit, |maximum| maximum.min(limit));
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    let threads = thread::available_parallelism()?.get().min(MAX_THREADS);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    Ok(())
}
