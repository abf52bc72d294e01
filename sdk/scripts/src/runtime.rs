//! Builds runtime modules from source.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Language;

/// Target of runtime modules.
const TARGET: &str = "wasm32-wasip1";
const PROFILE: &str = "runtime";

/// Reason why there is no runtime module.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// Cargo cannot be started.
    #[error("cannot run cargo: {0}")]
    Cargo(#[source] io::Error),
    /// The build failed.
    #[error(
        "the runtime module cannot be built; it needs the target {TARGET} of Rust, and clang, llvm-ar and wasi-libc \
         (Debian: apt install clang llvm lld wasi-libc libclang-rt-dev-wasm32)"
    )]
    Failed,
}

impl Language {
    fn package(self) -> &'static str {
        match self {
            Self::Python => "wxec-python-runtime",
            Self::JavaScript => "wxec-javascript-runtime",
        }
    }
}

/// Builds the runtime module of a language, unless it is built, and returns its path. `sources` is the
/// directory `runtimes` beside this crate; what is built stays below `target`.
pub fn build(language: Language, sources: &Path, target: &Path) -> Result<PathBuf, RuntimeError> {
    let clang = |name: &str| std::env::var(name).unwrap_or_else(|_| "clang".into());
    let status = Command::new("cargo")
        .args([
            "build",
            "--locked",
            // Parts of RustPython name a newer Rust than they need.
            "--ignore-rust-version",
            "--quiet",
            "--target",
            TARGET,
            "--profile",
            PROFILE,
        ])
        .args(["--package", language.package()])
        .current_dir(sources)
        .env("CARGO_TARGET_DIR", target)
        // The compiler and the libc of the system, where QuickJS would fetch an SDK.
        .env("RQUICKJS_SYS_NO_WASI_SDK", "1")
        .env("CC_wasm32_wasip1", clang("CC_wasm32_wasip1"))
        .env("AR_wasm32_wasip1", "llvm-ar")
        .env(
            "CFLAGS_wasm32_wasip1",
            "--target=wasm32-wasi -D_WASI_EMULATED_SIGNAL -D_WASI_EMULATED_PROCESS_CLOCKS",
        )
        .status()
        .map_err(RuntimeError::Cargo)?;
    let built = target
        .join(TARGET)
        .join(PROFILE)
        .join(format!("{}.wasm", language.package().replace('-', "_")));
    if status.success() && fs::exists(&built).is_ok_and(|exists| exists) {
        Ok(built)
    } else {
        Err(RuntimeError::Failed)
    }
}
