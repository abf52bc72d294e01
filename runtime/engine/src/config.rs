//! The one configuration of wasmtime. An artifact loads only into an engine that agrees on all of it, so whoever
//! compiles and whoever runs start from here, and nothing is left to defaults that depend on cargo features.

use std::num::NonZeroUsize;

use wasmtime::{
    Config, Enabled, Engine, ModuleVersionStrategy, PoolingAllocationConfig, Result, WasmBacktraceDetails, WasmFeatures,
};
use wxec_protocol::BUILD;

use crate::limits::MAX_TABLE_ELEMENTS;

/// Guests that exist at once; more wait. Each takes 4 GiB of address space, which Linux gives a process thirty thousand
/// times, and some mappings, of which it allows 65,530 in all. The pool takes 3 ms to set up and 0.4 MiB.
pub const MAX_RUNNING: u32 = 1000;

/// Stack a guest's functions may take together: half of what a native thread has, because their frames hold only
/// locals. What can be pointed to lives in linear memory.
pub(crate) const MAX_STACK_BYTES: usize = 1 << 20;

/// The guest's stack and that of the host functions it calls, which run below it.
const ASYNC_STACK_BYTES: usize = 2 * MAX_STACK_BYTES;

/// Frames of a backtrace: enough to see who called whom, and a fault stays small on the wire.
pub(crate) const MAX_FRAMES: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");

/// Address space of each memory: all that a 32-bit guest can name, so that no access needs a check and no memory moves.
const MEMORY_RESERVATION_BYTES: u64 = 1 << 32;

/// Unmapped space behind each memory, so that accesses with a constant offset need no check. Wasmtime's default.
const MEMORY_GUARD_BYTES: u64 = 32 << 20;

/// Tables in the pool for each guest. One for functions is usual, and one for references is coming.
const TABLES_PER_MODULE: u32 = 4;

/// Pages that a slot of the pool keeps for its next guest, cleared, where giving them back to the kernel would mean
/// page faults. A Rust guest writes to about seven in a short call.
const KEPT_BYTES: usize = 64 << 10;

/// An engine that runs artifacts.
///
/// Slots from a pool make a fresh guest several times cheaper, but the pool takes all its address space at once. Where
/// that is limited (`ulimit -v`), there may still be room for guests one by one.
pub(crate) fn run_engine() -> Result<Engine> {
    let config = shared()?;
    let pooled = Engine::new(config.clone().allocation_strategy(pool()));
    pooled.or_else(|_| Engine::new(&config))
}

/// An engine that compiles for `target`. Naming the target also keeps it from using what only this CPU can do.
#[cfg(feature = "compile")]
pub(crate) fn compile_engine(target: &wxec_protocol::Target) -> Result<Engine> {
    let mut config = shared()?;
    config.enable_compiler(true);
    config.target(&target.triple())?;
    // Backtraces follow frame pointers; tables for other unwinders would only take space.
    config.native_unwind_info(false);
    Engine::new(&config)
}

fn shared() -> Result<Config> {
    let mut config = Config::new();
    #[cfg(feature = "compile")]
    config.enable_compiler(false);

    // Which features are on by default depends on the cargo features of everything else in the program. Start from
    // none and have WebAssembly 2.0: what compilers emit today, and no garbage collector, threads or exceptions.
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(WasmFeatures::WASM2, true);
    config.gc_support(false);
    config.concurrency_support(false);

    config.epoch_interruption(true);
    config.max_wasm_stack(MAX_STACK_BYTES);
    config.async_stack_size(ASYNC_STACK_BYTES);

    config.memory_reservation(MEMORY_RESERVATION_BYTES);
    config.memory_reservation_for_growth(0);
    config.memory_guard_size(MEMORY_GUARD_BYTES);
    config.guard_before_linear_memory(true);
    config.memory_may_move(false);
    config.memory_init_cow(true);
    config.table_lazy_init(true);
    config.signals_based_traps(true);

    config.wasm_backtrace_max_frames(Some(MAX_FRAMES));
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.debug_symbols(false);

    // Wasmtime's own stamp is its major version, and a patch release that fixes generated code would share it.
    config.module_version(ModuleVersionStrategy::Custom(BUILD.into()))?;
    Ok(config)
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(MAX_RUNNING)
        .total_component_instances(0)
        .total_memories(MAX_RUNNING)
        .total_stacks(MAX_RUNNING)
        .total_tables(MAX_RUNNING * TABLES_PER_MODULE)
        .max_tables_per_module(TABLES_PER_MODULE)
        .table_elements(MAX_TABLE_ELEMENTS)
        .table_keep_resident(KEPT_BYTES);
    // Since Linux 6.7 the kernel says which pages were written to. Without it, those at the low end would be cleared
    // whether or not, and that is not where a guest's stack and heap are.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(KEPT_BYTES);
    }
    pool
}
