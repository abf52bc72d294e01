//! The agent, with an allocator that counts. It serves a controller as the real one does, and ends
//! by writing the number of its allocations to the file that `WXEC_TEST_ALLOCATIONS` names.

use std::{alloc::System, env, error::Error, fs};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::runtime::Builder;
use wxec_agent::{serve, stdio};
use wxec_engine::Sandbox;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::var_os("WXEC_TEST_ALLOCATIONS").ok_or("no file for the number")?;
    let sandbox = Sandbox::new()?;
    let workers = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let conversation = Builder::new_current_thread().enable_all().build()?;
    conversation.block_on(async {
        let (reader, writer) = stdio::take()?;
        serve(sandbox, workers.handle().clone(), reader, writer).await
    })?;
    let stats = ALLOCATOR.stats();
    fs::write(path, (stats.allocations + stats.reallocations).to_string())?;
    Ok(())
}
