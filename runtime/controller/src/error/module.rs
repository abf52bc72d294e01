//! Errors of modules.

use std::{path::PathBuf, sync::Arc};

use wxec_build::BuildError;
use wxec_protocol::abi::RecordError;

/// A module is not available, or not understood.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// Its file cannot be read.
    #[error("cannot read {}: {reason}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// It is larger than a module may be.
    #[error("{name} has {size} bytes, more than the {limit} a module may have")]
    TooLarge {
        /// The module.
        name: String,
        /// Its size.
        size: u64,
        /// The largest size allowed.
        limit: u64,
    },
    /// It is a component, which wraps modules.
    #[error("{name} is a component (WASI 0.2), and wxec runs core modules of WASI preview 1")]
    Component {
        /// The component.
        name: String,
    },
    /// It is a program of another kind, for an operating system or an interpreter.
    #[error("{name} is no wasm module but {what}")]
    OtherProgram {
        /// The program.
        name: String,
        /// Its kind.
        what: &'static str,
    },
    /// It is WebAssembly as text.
    #[error("{name} is the text of a wasm module, not the module")]
    Text {
        /// The text.
        name: String,
    },
    /// It is not wasm, or damaged.
    #[error("{name} is no wasm module: {reason}")]
    Malformed {
        /// The module.
        name: String,
        /// The defect.
        reason: String,
    },
    /// Its description of its functions cannot be understood.
    #[error("what {name} says of its functions cannot be read")]
    Records {
        /// The module.
        name: String,
        /// The defect.
        #[source]
        source: RecordError,
    },
    /// It describes its functions by an export, whose call failed.
    #[error("{name} cannot tell its functions: {reason}")]
    Describe {
        /// The module.
        name: String,
        /// The failure of the call.
        reason: String,
    },
    /// The tasks of a program, which are stated beside it, cannot be understood.
    #[error("{place} cannot be read: {reason}")]
    Tasks {
        /// Their file.
        place: String,
        /// The mistake.
        reason: String,
    },
    /// It cannot be compiled for a target.
    #[error("cannot compile the module for {target}: {reason}")]
    Compile {
        /// The target.
        target: String,
        /// The reason.
        reason: String,
    },
    /// The module cannot be built, or a tool that wxec needs to compile or run it cannot.
    #[error(transparent)]
    Build(Arc<BuildError>),
}

impl ModuleError {
    /// Returns advice on the error, if wxec has any.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Build(error) => error.hint(),
            Self::Malformed { .. } => Some("build it for wasm32-wasip1, or name a package".into()),
            Self::Component { .. } => {
                Some("build it for preview 1: wasm32-wasip1 for Rust and clang, wasip1 for Go and TinyGo".into())
            }
            Self::OtherProgram { .. } => Some("`wxec exec TARGET -- PROGRAM` runs programs that a host has".into()),
            Self::Text { .. } => Some("make a module of it with `wasm-tools parse` or `wat2wasm`".into()),
            _ => None,
        }
    }
}

impl From<BuildError> for ModuleError {
    fn from(error: BuildError) -> Self {
        Self::Build(Arc::new(error))
    }
}
