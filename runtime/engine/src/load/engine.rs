//! Engines that run artifacts: the one configuration, and the pool that guests are made in.

use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, Result};
use wxec_protocol::{Code, Memory};

use crate::{
    limits::growth::MAX_TABLE_ELEMENTS,
    load::config::{CHECKED_BYTES, MAX_STACK_BYTES, PULLEY, shared},
};

/// Maximum number of guests that exist at once; more calls wait. Each guest takes 4 GiB of address
/// space (Linux gives a process thirty thousand times as much) and some mappings (Linux allows
/// 65,530 in all). The pool takes 3 ms to set up and 0.4 MiB.
pub const MAX_RUNNING: u32 = 1000;

/// Stack of the guest and of the host functions it calls, which run below it.
const ASYNC_STACK_BYTES: usize = 2 * MAX_STACK_BYTES;

/// Address space that a small guest with checked memory takes: its memory, its stack and a reserve.
pub(crate) const CHECKED_GUEST_BYTES: u64 = CHECKED_BYTES + 2 * ASYNC_STACK_BYTES as u64;

/// Tables in the pool for each guest. One for functions is usual, and one for references is coming.
const TABLES_PER_MODULE: u32 = 4;

/// Memory that a slot of the pool clears and keeps for its next guest, because giving it back to
/// the kernel would mean page faults. A Rust guest writes to about seven pages in a short call.
const KEPT_BYTES: usize = 64 << 10;

/// Creates an engine that runs artifacts.
///
/// Reserved memories come from a pool of `slots`. The pool makes a fresh guest several times
/// cheaper than mapping it, but takes all its address space at once. Checked memories are mapped
/// one by one.
pub(crate) fn run_engine(code: Code, memory: Memory, slots: u32) -> Result<Engine> {
    let mut config = running(code, memory, false)?;
    if memory == Memory::Reserved {
        config.allocation_strategy(pool(slots));
    }
    Engine::new(&config)
}

/// Creates an engine for artifacts that count fuel. Calls of these are few and slow, so memories
/// are mapped one by one: a second pool would need as much address space as the first, and the host
/// may not have it.
pub(crate) fn metered_engine(code: Code, memory: Memory) -> Result<Engine> {
    Engine::new(&running(code, memory, true)?)
}

fn running(code: Code, memory: Memory, metered: bool) -> Result<Config> {
    let mut config = shared(code, memory, metered)?;
    config.async_stack_size(ASYNC_STACK_BYTES);
    if code == Code::Pulley {
        config.target(PULLEY)?;
    }
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
    // Since Linux 6.7 the kernel reports which pages were written to. Without that, wasmtime would
    // clear the lowest pages in any case, but a guest's stack and heap are elsewhere.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEPT_BYTES);
    }
    pool
}
