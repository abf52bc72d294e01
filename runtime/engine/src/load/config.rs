//! The one configuration of wasmtime. An artifact loads only into an engine with the same settings,
//! so compiler and sandbox both start from here, and no setting is left to defaults that depend on
//! cargo features. Settings that differ between hosts are in their
//! [`Target`](wxec_protocol::Target).

use std::num::NonZeroUsize;

use wasmtime::{Config, ModuleVersionStrategy, Result, WasmBacktraceDetails, WasmFeatures};
use wxec_protocol::{BUILD, Code, Memory};

/// Stack that a guest's functions may take together: half of what a native thread has, because
/// their frames hold only locals. Data that pointers refer to lives in linear memory.
pub(crate) const MAX_STACK_BYTES: usize = 1 << 20;

/// Frames of a backtrace: enough to see the callers, and few enough for a fault to stay small on
/// the wire.
pub(crate) const MAX_FRAMES: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");

/// Address space of each memory: all that a 32-bit guest can name, so that no access needs a check
/// and no memory moves.
const RESERVED_BYTES: u64 = 1 << 32;

/// Unmapped space behind each memory, so that accesses with a constant offset need no check.
/// Wasmtime's default.
const GUARD_BYTES: u64 = 32 << 20;

/// Address space of each checked memory, for hosts where it is short. A Rust guest starts with 1.1
/// MiB.
pub(crate) const CHECKED_BYTES: u64 = 4 << 20;

/// Address space added to a checked memory whenever it must move to grow. Moving copies, so a guest
/// that grows in small steps must not move at each of them.
const CHECKED_GROWTH_BYTES: u64 = 16 << 20;

/// Target of Pulley's bytecode, which is the same for all little-endian hosts with 64 bits.
pub(crate) const PULLEY: &str = "pulley64";

/// Parts of WebAssembly that every host runs: 2.0, which compilers emit today, and two later
/// proposals that take the agent nothing. Extended constant expressions are in `lime1`, the features
/// that Zig's compiler assumes; tail calls are in what functional languages compile to. References
/// to values of the host, which are a part of 2.0, would take the garbage collector.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .difference(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::TAIL_CALL);

/// Creates an engine that compiles for `target`. Naming the target also keeps it from using
/// features that only this CPU has.
#[cfg(feature = "compile")]
pub(crate) fn compile_engine(target: &wxec_protocol::Target) -> Result<wasmtime::Engine> {
    let mut config = shared(target.code, target.memory, target.metered)?;
    config.enable_compiler(true);
    // NaN has many bit patterns, and CPUs differ in which they give. Wasmtime does not compare this
    // setting when it loads an artifact. It compares the setting for fuel, which is on whenever
    // this one is.
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
        // SAFETY: a flag for instructions that the CPU lacks would make code that cannot run there.
        // The agent names what its CPU has, and wasmtime checks the CPU again for each flag in an
        // artifact before it loads the artifact.
        unsafe { config.cranelift_flag_enable(flag) };
    }
    // Backtraces follow frame pointers; tables for other unwinders would only take space.
    config.native_unwind_info(false);
    wasmtime::Engine::new(&config)
}

/// Settings that compiling and running share.
pub(crate) fn shared(code: Code, memory: Memory, metered: bool) -> Result<Config> {
    let mut config = Config::new();
    #[cfg(feature = "compile")]
    config.enable_compiler(false);

    // The features that are on by default depend on the cargo features of the whole program. Start
    // from none: without a garbage collector, threads or exceptions.
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(FEATURES, true);
    config.gc_support(false);
    config.concurrency_support(false);

    config.epoch_interruption(true);
    config.consume_fuel(metered);
    config.max_wasm_stack(MAX_STACK_BYTES);

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

    // Use our own stamp: wasmtime's is its major version, which a patch release that fixes
    // generated code would share.
    config.module_version(ModuleVersionStrategy::Custom(BUILD.into()))?;
    Ok(config)
}
