//! Finds out what this host lets guests have: machine code or bytecode, reserved memory or checked.

use std::{
    io,
    time::{Duration, Instant},
};

use memmap2::{MmapMut, MmapOptions};
use rustix::process::{Resource, getrlimit};
use wasmtime::{Engine, MemoryType, Result, Store, format_err};
use wxec_protocol::{Code, Memory, Platform, Target};

use crate::load::engine::{CHECKED_GUEST_BYTES, MAX_RUNNING, run_engine};

/// Guests at once where [`MAX_RUNNING`] is too many. A pool for so many fits into 39 bits of
/// address space, which is all that some kernels for aarch64 give a process.
const FEW_RUNNING: u32 = 100;

/// Address space to reserve as a test, and the time that may take: some microseconds would do.
/// Emulators that keep a record of each page, such as qemu before version 8, need ten times this
/// limit, and minutes and gigabytes for a pool.
const TRIED_BYTES: usize = 1 << 30;
const TRY_WITHIN: Duration = Duration::from_millis(2);
/// Even a busy machine leaves one of so many tries undisturbed.
const TRIES: usize = 3;

/// Memory a guest must get to be worth its call, in pages of 64 KiB. Most guests use a tenth of
/// these 16 MiB.
const LEAST_PAGES: u32 = 256;

/// An engine that runs here.
pub(crate) struct Found {
    pub(crate) engine: Engine,
    pub(crate) target: Target,
    /// Guests that fit at once.
    pub(crate) slots: u32,
    /// Deviations from the best setup, a sentence each.
    pub(crate) notes: Vec<String>,
}

/// Sets up the best engine that this host allows.
pub(crate) fn find() -> Result<Found> {
    let mut notes = Vec::new();
    let code = map_code().map(|()| cpu_level()).unwrap_or_else(|error| {
        notes.push(format!(
            "native code cannot be mapped ({error}): guests run as Pulley bytecode"
        ));
        Code::Pulley
    });
    let found = match try_pool(code) {
        Ok(found) if found.slots == MAX_RUNNING => found,
        Ok(found) => {
            notes.push(format!(
                "address space is short: at most {} guests run at once",
                found.slots
            ));
            found
        }
        Err(why) => {
            let found = take(code, Memory::Checked)?;
            notes.push(format!(
                "{why}: memories are checked, and at most {} guests run at once",
                found.slots
            ));
            found
        }
    };
    Ok(Found { notes, ..found })
}

fn try_pool(code: Code) -> Result<Found, String> {
    if !reserving_is_free() {
        return Err("address space takes long to reserve, as under an emulator".into());
    }
    take(code, Memory::Reserved).map_err(|error| match address_space() {
        Some(limit) => format!("address space is limited to {} MiB", limit >> 20),
        None => format!("address space cannot be reserved ({error})"),
    })
}

/// Sets up an engine of one kind, if this host allows it.
pub(crate) fn take(code: Code, memory: Memory) -> Result<Found> {
    let (engine, slots) = match memory {
        Memory::Reserved => pooled(code)?,
        Memory::Checked => checked(code)?,
    };
    let target = Target {
        platform: Platform::here(),
        code,
        memory,
        metered: false,
    };
    Ok(Found {
        engine,
        target,
        slots,
        notes: Vec::new(),
    })
}

fn pooled(code: Code) -> Result<(Engine, u32)> {
    let pool = |slots| Ok((run_engine(code, Memory::Reserved, slots)?, slots));
    pool(MAX_RUNNING).or_else(|_| pool(FEW_RUNNING))
}

fn checked(code: Code) -> Result<(Engine, u32)> {
    // Half of the limit is for guests. The agent, artifacts and memories that grow have the other
    // half.
    let slots = address_space().map_or(FEW_RUNNING, |limit| {
        u32::try_from(limit / 2 / CHECKED_GUEST_BYTES)
            .unwrap_or(u32::MAX)
            .clamp(1, MAX_RUNNING)
    });
    let engine = run_engine(code, Memory::Checked, slots)?;
    // No fallback is left, so report now if there is no room.
    wasmtime::Memory::new(Store::new(&engine, ()), MemoryType::new(LEAST_PAGES, None))
        .map_err(|error| format_err!("there is no room for guests: {error:#}"))?;
    Ok((engine, slots))
}

/// Returns the address space that this process may have, if it is limited.
fn address_space() -> Option<u64> {
    getrlimit(Resource::As).current
}

fn reserving_is_free() -> bool {
    (0..TRIES).any(|_| {
        let start = Instant::now();
        // Ignore a failure: setting up the pool will fail too.
        drop(
            MmapOptions::new()
                .len(TRIED_BYTES)
                .no_reserve_swap()
                .map_anon(),
        );
        start.elapsed() < TRY_WITHIN
    })
}

/// Makes memory executable after writing to it, as loading an artifact does. Hardened systems
/// refuse this.
fn map_code() -> io::Result<()> {
    let mut page = MmapMut::map_anon(1)?;
    page[0] = 1;
    page.make_exec().map(drop)
}

/// Returns the highest level of x86-64 that Cranelift can use here; wasmtime checks the same
/// features when it loads an artifact.
#[cfg(target_arch = "x86_64")]
fn cpu_level() -> Code {
    macro_rules! has {
        ($($feature:tt)*) => { true $(&& is_x86_feature_detected!($feature))* };
    }
    let v2 = has!("cmpxchg16b" "popcnt" "sse3" "ssse3" "sse4.1" "sse4.2");
    let v3 = has!("avx" "avx2" "bmi1" "bmi2" "fma" "lzcnt");
    match (v2, v3) {
        (true, true) => Code::V3,
        (true, false) => Code::V2,
        (false, _) => Code::Baseline,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_level() -> Code {
    Code::Baseline
}
