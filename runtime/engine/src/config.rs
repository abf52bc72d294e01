//! The one configuration of wasmtime. An artifact loads only into an engine that agrees on all of it, so whoever
//! compiles and whoever runs start from here, and nothing is left to defaults that depend on cargo features. What
//! hosts differ in is in their [`Target`](wxec_protocol::Target).

use std::num::NonZeroUsize;

use wasmtime::{
    Config, Enabled, Engine, ModuleVersionStrategy, PoolingAllocationConfig, Result, WasmBacktraceDetails, WasmFeatures,
};
use wxec_protocol::{BUILD, Code, Memory};

use crate::limits::MAX_TABLE_ELEMENTS;

/// Guests that exist at once, at most; more wait. Each takes 4 GiB of address space, which Linux gives a process thirty
/// thousand times, and some mappings, of which it allows 65,530 in all. The pool takes 3 ms to set up and 0.4 MiB.
pub const MAX_RUNNING: u32 = 1000;

/// Stack a guest's functions may take together: half of what a native thread has, because their frames hold only
/// locals. What can be pointed to lives in linear memory.
pub(crate) const MAX_STACK_BYTES: usize = 1 << 20;

/// The guest's stack and that of the host functions it calls, which run below it.
const ASYNC_STACK_BYTES: usize = 2 * MAX_STACK_BYTES;

/// Frames of a backtrace: enough to see who called whom, and a fault stays small on the wire.
pub(crate) const MAX_FRAMES: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");

/// Address space of each memory: all that a 32-bit guest can name, so that no access needs a check and no memory moves.
const RESERVED_BYTES: u64 = 1 << 32;

/// Unmapped space behind each memory, so that accesses with a constant offset need no check. Wasmtime's default.
const GUARD_BYTES: u64 = 32 << 20;

/// Address space of a memory where that is short. A Rust guest starts with 1.1 MiB.
const CHECKED_BYTES: u64 = 4 << 20;

/// More of it whenever a memory must move to grow. Moving copies, so a guest that grows in small steps must not move
/// at each of them.
const CHECKED_GROWTH_BYTES: u64 = 16 << 20;

/// Address space that a small guest takes where that is short: its memory, its stack and some change.
pub(crate) const CHECKED_GUEST_BYTES: u64 = CHECKED_BYTES + 2 * ASYNC_STACK_BYTES as u64;

/// Pulley's bytecode, which is the same for all hosts with 64 bits and the least significant byte first.
const PULLEY: &str = "pulley64";

/// Tables in the pool for each guest. One for functions is usual, and one for references is coming.
const TABLES_PER_MODULE: u32 = 4;

/// Pages that a slot of the pool keeps for its next guest, cleared, where giving them back to the kernel would mean
/// page faults. A Rust guest writes to about seven in a short call.
const KEPT_BYTES: usize = 64 << 10;

/// An engine that runs artifacts.
///
/// Reserved memories come from a pool of `slots`, which makes a fresh guest several times cheaper than mapping it, and
/// takes all its address space at once. Checked ones are mapped one by one.
pub(crate) fn run_engine(code: Code, memory: Memory, slots: u32) -> Result<Engine> {
    let mut config = running(code, memory, false)?;
    if memory == Memory::Reserved {
        config.allocation_strategy(pool(slots));
    }
    Engine::new(&config)
}

/// The same for artifacts that count fuel. Few calls ask for those and they take their time, so memories are mapped one
/// by one: a second pool would take as much address space as the first, of which there may be no more.
pub(crate) fn metered_engine(code: Code, memory: Memory) -> Result<Engine> {
    Engine::new(&running(code, memory, true)?)
}

fn running(code: Code, memory: Memory, metered: bool) -> Result<Config> {
    let mut config = shared(code, memory, metered)?;
    if code == Code::Pulley {
        config.target(PULLEY)?;
    }
    Ok(config)
}

/// An engine that compiles for `target`. Naming the target also keeps it from using what only this CPU can do.
#[cfg(feature = "compile")]
pub(crate) fn compile_engine(target: &wxec_protocol::Target) -> Result<Engine> {
    let mut config = shared(target.code, target.memory, target.metered)?;
    config.enable_compiler(true);
    // NaN has many bit patterns, and CPUs differ in which they give. Nothing compares this when an artifact is loaded;
    // fuel is compared, and comes with it.
    config.cranelift_nan_canonicalization(target.metered);
    match target.code {
        Code::Pulley => config.target(PULLEY)?,
        _ => config.target(&target.platform.triple())?,
    };
    let flags: &[&str] = match target.code {
        Code::Baseline | Code::Pulley => &[],
        Code::V2 => &["x86-64-v2"],
        // Cranelift's v3 has AVX2 but not AVX, without which it uses neither.
        Code::V3 => &["x86-64-v3", "has_avx"],
    };
    for flag in flags {
        // SAFETY: a flag for instructions that the CPU has not would make code that cannot run there. The agent names
        // what its CPU has, and wasmtime asks the CPU again for each flag in an artifact before it loads it.
        unsafe { config.cranelift_flag_enable(flag) };
    }
    // Backtraces follow frame pointers; tables for other unwinders would only take space.
    config.native_unwind_info(false);
    Engine::new(&config)
}

fn shared(code: Code, memory: Memory, metered: bool) -> Result<Config> {
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
    config.consume_fuel(metered);
    config.max_wasm_stack(MAX_STACK_BYTES);
    config.async_stack_size(ASYNC_STACK_BYTES);

    // Pulley does not catch signals, so it checks every access anyway.
    let signals = code != Code::Pulley;
    let guards = signals && memory == Memory::Reserved;
    config.signals_based_traps(signals);
    config.memory_guard_size(if guards { GUARD_BYTES } else { 0 });
    config.guard_before_linear_memory(guards);
    let (reserved, for_growth) = match memory {
        Memory::Reserved => (RESERVED_BYTES, 0),
        Memory::Checked => (CHECKED_BYTES, CHECKED_GROWTH_BYTES),
    };
    config.memory_reservation(reserved);
    config.memory_reservation_for_growth(for_growth);
    config.memory_may_move(memory == Memory::Checked);
    config.memory_init_cow(true);
    config.table_lazy_init(true);

    config.wasm_backtrace_max_frames(Some(MAX_FRAMES));
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.debug_symbols(false);

    // Wasmtime's own stamp is its major version, and a patch release that fixes generated code would share it.
    config.module_version(ModuleVersionStrategy::Custom(BUILD.into()))?;
    Ok(config)
}

fn pool(slots: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots)
        .total_component_instances(0)
        .total_memories(slots)
        .total_stacks(slots)
        .total_tables(slots * TABLES_PER_MODULE)
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
