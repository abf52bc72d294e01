//! Finds the parts of WebAssembly that a module uses and that no host runs, so that a refusal can
//! name them. The validator's own words ("malformed memop alignment") make readers look for the
//! fault in the compiler, or on the host.

use std::fmt;

use wasmparser::{Validator, WasmFeatures};

use super::config::FEATURES;

/// A part of WebAssembly that wxec does not run, on any host, by its proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proposal {
    /// Memory that threads share, and atomic operations.
    Threads,
    /// Memories with 64-bit addresses.
    Memory64,
    /// More than one memory.
    MultiMemory,
    /// Memories whose pages are not 64 KiB.
    CustomPageSizes,
    /// Structs and arrays that the host collects.
    Gc,
    /// References to values of the host, a part of 2.0.
    HostReferences,
    /// References to functions that have a type.
    FunctionReferences,
    /// Exceptions.
    Exceptions,
    /// Exceptions as they were before they were agreed on.
    LegacyExceptions,
    /// Vector operations that differ between processors.
    RelaxedSimd,
    /// Arithmetic on 128 bits.
    WideArithmetic,
    /// Switching between stacks.
    StackSwitching,
}

impl Proposal {
    /// All of them. A proposal comes before the ones it builds on.
    const ALL: [Self; 12] = [
        Self::StackSwitching,
        Self::Gc,
        Self::FunctionReferences,
        Self::Exceptions,
        Self::LegacyExceptions,
        Self::Threads,
        Self::Memory64,
        Self::MultiMemory,
        Self::CustomPageSizes,
        Self::RelaxedSimd,
        Self::WideArithmetic,
        Self::HostReferences,
    ];

    fn features(self) -> WasmFeatures {
        match self {
            Self::Threads => WasmFeatures::THREADS.union(WasmFeatures::SHARED_EVERYTHING_THREADS),
            Self::Memory64 => WasmFeatures::MEMORY64,
            Self::MultiMemory => WasmFeatures::MULTI_MEMORY,
            Self::CustomPageSizes => WasmFeatures::CUSTOM_PAGE_SIZES,
            Self::Gc => WasmFeatures::GC.union(WasmFeatures::CUSTOM_DESCRIPTORS),
            Self::HostReferences => WasmFeatures::GC_TYPES,
            Self::FunctionReferences => WasmFeatures::FUNCTION_REFERENCES,
            Self::Exceptions => WasmFeatures::EXCEPTIONS,
            Self::LegacyExceptions => WasmFeatures::LEGACY_EXCEPTIONS,
            Self::RelaxedSimd => WasmFeatures::RELAXED_SIMD,
            Self::WideArithmetic => WasmFeatures::WIDE_ARITHMETIC,
            Self::StackSwitching => WasmFeatures::STACK_SWITCHING,
        }
    }

    /// Returns how to make a compiler do without the proposal, where that is known.
    fn avoided_by(self) -> Option<&'static str> {
        Some(match self {
            Self::Threads => {
                "clang without `-pthread`; Rust for wasm32-wasip1; Zig with `-fsingle-threaded`; asc without `--enable threads`"
            }
            Self::Memory64 => "a target of wasm32",
            Self::Exceptions | Self::LegacyExceptions => {
                "clang without `-fwasm-exceptions` and `-mllvm -wasm-enable-sjlj`, C++ with `-fno-exceptions`; Rust with \
                 `-C panic=abort`; asc without `--enable exception-handling`"
            }
            Self::RelaxedSimd => {
                "clang with `-mno-relaxed-simd`; Rust with `-C target-feature=-relaxed-simd`; Zig with `-mcpu=baseline`; asc \
                 without `--enable relaxed-simd`"
            }
            Self::WideArithmetic => {
                "clang with `-mno-wide-arithmetic`; Rust with `-C target-feature=-wide-arithmetic`; Zig with `-mcpu=baseline`"
            }
            Self::MultiMemory => {
                "clang with `-mno-multimemory`; Rust with `-C target-feature=-multimemory`; Zig with `-mcpu=baseline`"
            }
            Self::Gc | Self::FunctionReferences => "asc without `--enable gc`",
            Self::HostReferences | Self::CustomPageSizes | Self::StackSwitching => return None,
        })
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Threads => "threads (shared memory and atomics)",
            Self::Memory64 => "memory64",
            Self::MultiMemory => "multiple memories",
            Self::CustomPageSizes => "custom page sizes",
            Self::Gc => "garbage collection",
            Self::HostReferences => "references to values of the host (externref)",
            Self::FunctionReferences => "typed function references",
            Self::Exceptions => "exceptions",
            Self::LegacyExceptions => "legacy exceptions",
            Self::RelaxedSimd => "relaxed SIMD",
            Self::WideArithmetic => "wide arithmetic",
            Self::StackSwitching => "stack switching",
        })
    }
}

/// Returns the proposals without which `wasm` is not valid; none if it is not valid with all of
/// them either. Validates the module once for each proposal, so call this only for a module that
/// was refused.
pub(crate) fn unsupported(wasm: &[u8]) -> Vec<Proposal> {
    let all = Proposal::ALL
        .iter()
        .fold(FEATURES, |all, proposal| all.union(proposal.features()));
    if !is_valid(wasm, all) {
        return Vec::new();
    }
    let mut kept = all;
    let mut needed = Vec::new();
    for proposal in Proposal::ALL {
        let without = kept.difference(proposal.features());
        if is_valid(wasm, without) {
            kept = without;
        } else {
            needed.push(proposal);
        }
    }
    // References to what is collected build on those to values of the host.
    if needed.contains(&Proposal::Gc) {
        needed.retain(|proposal| *proposal != Proposal::HostReferences);
    }
    needed
}

fn is_valid(wasm: &[u8], features: WasmFeatures) -> bool {
    Validator::new_with_features(features)
        .validate_all(wasm)
        .is_ok()
}

/// Returns the sentence that refuses a module with these proposals.
pub(crate) fn describe(proposals: &[Proposal]) -> String {
    let names: Vec<_> = proposals.iter().map(Proposal::to_string).collect();
    let mut ways: Vec<_> = proposals
        .iter()
        .filter_map(|proposal| proposal.avoided_by())
        .collect();
    ways.dedup();
    let ways = if ways.is_empty() {
        String::new()
    } else {
        format!(" ({})", ways.join("; "))
    };
    format!(
        "the module uses {}, and wxec runs WebAssembly 2.0 on any host: build it without{ways}",
        names.join(" and ")
    )
}
