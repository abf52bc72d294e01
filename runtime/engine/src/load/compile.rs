//! Compiles modules to artifacts: WebAssembly in, code for one target out.

use wxec_protocol::{MAX_MODULE_BYTES, Target};

use crate::{
    load::config,
    load::precheck::{Countable, Place, precheck},
    load::proposals::{Proposal, describe, unsupported},
};

/// Length of the longest module that is compiled. The largest guest seen, Python, takes 18 MB.
pub const MAX_WASM_BYTES: usize = 64 << 20;

/// First bytes of every module: magic number and version.
const MODULE_HEAD: &[u8] = b"\0asm\x01\0\0\0";
/// First bytes of every module and component: the magic number. Two bytes of version follow, and
/// two of layer.
const MAGIC: &[u8] = b"\0asm";
/// The layer of components, whatever their version.
const COMPONENT_LAYER: &[u8] = &[1, 0];

/// Reason why a module has no artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The module is longer than [`MAX_WASM_BYTES`].
    #[error("the module has {0} bytes, more than the {MAX_WASM_BYTES} allowed")]
    TooLong(usize),
    /// The bytes are not WebAssembly.
    #[error("not a WebAssembly module")]
    NotWasm,
    /// The bytes are a component, which wraps modules.
    #[error("a component (WASI 0.2), where a core module of WASI preview 1 is wanted")]
    Component,
    /// There is no code generator for the target.
    #[error("cannot compile for {target}: {reason}")]
    Target {
        /// The target to compile for.
        target: Target,
        /// Wasmtime's error message.
        reason: String,
    },
    /// The module breaks a rule of WebAssembly.
    #[error("{0}")]
    Invalid(String),
    /// The module is valid, but uses proposals that no host runs.
    #[error("{}", describe(.0))]
    Unsupported(Vec<Proposal>),
    /// The module has more of something than the compiler accepts.
    #[error("{place} has {found} {which}, more than the {} allowed", .which.allowed())]
    TooMuch {
        /// The place.
        place: Place,
        /// The kind of item there is too much of.
        which: Countable,
        /// The number of items, as far as they were counted.
        found: u64,
    },
    /// The artifact is longer than an agent accepts.
    #[error("the artifact has {0} bytes, more than the {MAX_MODULE_BYTES} allowed")]
    ArtifactTooLong(usize),
}

/// Compiles `wasm` for `target`, the target of a [`Sandbox`](crate::Sandbox).
///
/// A hostile module can make this take very long or very much memory: call it in a process that has
/// limits.
pub fn compile(wasm: &[u8], target: &Target) -> Result<Vec<u8>, CompileError> {
    if wasm.len() > MAX_WASM_BYTES {
        return Err(CompileError::TooLong(wasm.len()));
    }
    if wasm.starts_with(MAGIC) && wasm.get(6..8) == Some(COMPONENT_LAYER) {
        return Err(CompileError::Component);
    }
    if !wasm.starts_with(MODULE_HEAD) {
        return Err(CompileError::NotWasm);
    }
    precheck(wasm).map_err(|error| name_proposals(error, wasm))?;
    let engine = config::compile_engine(target).map_err(|error| CompileError::Target {
        target: target.clone(),
        reason: format!("{error:#}"),
    })?;
    let artifact = engine
        .precompile_module(wasm)
        .map_err(|error| name_proposals(CompileError::Invalid(format!("{error:#}")), wasm))?;
    match artifact.len() {
        length if length as u64 > MAX_MODULE_BYTES => Err(CompileError::ArtifactTooLong(length)),
        _ => Ok(artifact),
    }
}

/// Names the proposals that `wasm` uses and no host runs, if they are why it was refused.
fn name_proposals(error: CompileError, wasm: &[u8]) -> CompileError {
    match error {
        CompileError::Invalid(reason) => match unsupported(wasm) {
            none if none.is_empty() => CompileError::Invalid(reason),
            proposals => CompileError::Unsupported(proposals),
        },
        error => error,
    }
}
