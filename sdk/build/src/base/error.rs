//! Errors of builds, and hints on what would help.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::base::{
    dependency::DependencyFailure,
    names::{listed, quoted},
};

/// The packages among `guests` whose modules are wxec's own. They are granted what they declare to
/// need.
pub(crate) const SHIPPED: [&str; 1] = ["facts"];

/// The reason why something could not be built. [`hint`](Self::hint) says what would help.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Cargo or rustc is not there, or does not start.
    #[error("cannot run `{program}`")]
    CannotRun {
        /// The program that was to be run.
        program: String,
        /// The reason why it does not start.
        source: io::Error,
    },
    /// There is no package or workspace in or around a directory.
    #[error("no Cargo.toml in {}", directory.display())]
    NoManifest {
        /// The directory where one was expected.
        directory: PathBuf,
    },
    /// The source of a task is no longer where the program was compiled from it, and the program
    /// has no module inside. A user who moved the program away sees only the message, not the hint,
    /// so the message says what to do.
    #[error("the source of `{package}`, from which the module of its tasks is built, is not at {}; a program that leaves its source carries \
             its module: call `wxec_build::embed()` in its build.rs", directory.display())]
    SourceGone {
        /// The package of the task.
        package: String,
        /// The directory where its source was.
        directory: PathBuf,
    },
    /// Cargo refuses the workspace.
    #[error("cargo cannot read the workspace around {}: {detail}", directory.display())]
    Workspace {
        /// The directory where cargo was asked.
        directory: PathBuf,
        /// Cargo's message.
        detail: String,
    },
    /// A directory is in a workspace, but in none of its packages.
    #[error("{} is in no package", directory.display())]
    NotInPackage {
        /// The directory.
        directory: PathBuf,
    },
    /// The workspace has no such package.
    #[error("no package `{package}` in the workspace {}", workspace.display())]
    PackageNotFound {
        /// The name that was looked for.
        package: String,
        /// The root of the workspace.
        workspace: PathBuf,
        /// Packages of the workspace with similar names.
        near: Vec<String>,
    },
    /// The package has no such feature.
    #[error("package `{package}` has no feature `{feature}`")]
    NoFeature {
        /// The package.
        package: String,
        /// The feature that was asked for.
        feature: String,
        /// The features of the package.
        features: Vec<String>,
    },
    /// The package no longer has the program or example a task was compiled in.
    #[error("no program or example `{binary}` in package `{package}`")]
    BinaryNotFound {
        /// The package.
        package: String,
        /// The name that was looked for.
        binary: String,
    },
    /// A task stands in a test or benchmark, which cannot become a module.
    #[error(
        "tasks of `{crate_name}` ({file}) cannot be built: it is a test or benchmark of package `{package}`"
    )]
    NotInLibrary {
        /// The package.
        package: String,
        /// The crate of the task.
        crate_name: String,
        /// The file of the task.
        file: String,
    },
    /// The package has neither a library nor a program.
    #[error("package `{package}` has neither a library nor a program")]
    NothingToBuild {
        /// The package.
        package: String,
    },
    /// The package has no library and several programs, and nothing says which one is meant.
    #[error("package `{package}` has no library but several programs: {}", binaries.join(", "))]
    SeveralBinaries {
        /// The package.
        package: String,
        /// Its programs.
        binaries: Vec<String>,
    },
    /// The toolchain cannot compile for a target.
    #[error("the standard library for {triple} is not installed (looked in {})", looked_in.display())]
    MissingStd {
        /// The target.
        triple: String,
        /// The directory where this toolchain would have it.
        looked_in: PathBuf,
    },
    /// The package's own code does not compile.
    #[error("package `{package}` does not compile for {triple}\n{diagnostics}")]
    Compile {
        /// The package.
        package: String,
        /// The target.
        triple: String,
        /// The errors of rustc, the first 64 KiB.
        diagnostics: String,
    },
    /// A dependency does not compile for the target.
    #[error("{0}")]
    Dependency(Box<DependencyFailure>),
    /// Cargo failed for a reason of its own.
    #[error("cargo cannot build {what}: {detail}")]
    Cargo {
        /// The thing that was to be built.
        what: String,
        /// Cargo's message.
        detail: String,
    },
    /// Cargo succeeded, but left no usable file.
    #[error("cargo built {what} without leaving its file")]
    NoArtifact {
        /// The thing that was to be built.
        what: String,
    },
    /// wxec ships no such module.
    #[error("no module `{name}` is shipped with wxec")]
    NotShipped {
        /// The name that was looked for.
        name: String,
    },
    /// wxec's own source is not at the place that this program was compiled from.
    #[error("wxec's source, which {what} is built from, is not at {}", looked_at.display())]
    NoSource {
        /// The thing that was to be built.
        what: String,
        /// The directory where the source should be.
        looked_at: PathBuf,
    },
    /// wxec's own source has changed since this program was compiled.
    #[error("wxec's source at {} has changed since this program was compiled (build {ours} then, {theirs} now)", source_directory.display())]
    OtherBuild {
        /// The build of this program.
        ours: &'static str,
        /// The build of the source.
        theirs: String,
        /// The directory of the source.
        source_directory: PathBuf,
    },
    /// There is no C compiler for the few lines of C in the agent.
    #[error("no C compiler for {triple}: `{program}` is not in PATH")]
    NoCCompiler {
        /// The target.
        triple: String,
        /// The program that was looked for.
        program: String,
    },
    /// There is no place for a cache.
    #[error("no cache directory: none of WXEC_CACHE, XDG_CACHE_HOME and HOME is set")]
    NoCacheDirectory,
    /// Other users could change the cache, which holds programs.
    #[error("the cache directory {} {problem}", path.display())]
    UnsafeCache {
        /// The directory.
        path: PathBuf,
        /// The fault of it.
        problem: &'static str,
    },
    /// A tool that builds modules in a language is not there, or does not start.
    #[error("`{tool}`, which builds modules in {language}, {problem}")]
    NoTool {
        /// The tool.
        tool: String,
        /// The language.
        language: &'static str,
        /// The reason why it cannot be used.
        problem: String,
        /// Advice on how to get it.
        advice: &'static str,
    },
    /// A project in another language than Rust does not build.
    #[error("`{project}` does not build ({language})\n{said}")]
    OtherLanguage {
        /// The project.
        project: String,
        /// Its language.
        language: &'static str,
        /// All that its tools said, the first 64 KiB.
        said: String,
    },
    /// A project was built, and its module is not where it should be.
    #[error("the build of `{project}` left no module: {problem}")]
    NoModule {
        /// The project.
        project: String,
        /// Where one was expected.
        problem: String,
    },
    /// The settings of a project cannot be understood.
    #[error("{} cannot be read: {reason}", path.display())]
    Settings {
        /// Their file.
        path: PathBuf,
        /// The mistake.
        reason: String,
        /// Advice on the mistake.
        advice: Option<String>,
    },
    /// Features were asked for, which only crates have.
    #[error("`{project}` has no features, because it is no crate")]
    NotACrate {
        /// The project.
        project: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason why it failed.
        source: io::Error,
    },
}

impl BuildError {
    /// Returns a hint on what would help, if that is known.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::CannotRun { program, .. } if program.contains("rustc") => "install Rust: https://rustup.rs".into(),
            Self::CannotRun { .. } => {
                "install Rust (https://rustup.rs), or embed the module by calling `wxec_build::embed()` in build.rs"
                    .into()
            }
            Self::NoManifest { .. } => {
                "go to a cargo workspace that has the package, or name a module by its path: `./words.wasm`, or the folder of a project, `./words` (docs/languages.md)"
                    .into()
            }
            Self::NotInPackage { .. } => "name a package of the workspace, or go to its folder".into(),
            Self::PackageNotFound { near, .. } if !near.is_empty() => format!("there is {}", quoted(near)),
            Self::PackageNotFound { .. } => "name a package of that workspace, or a .wasm file by its path".into(),
            Self::NoFeature { features, .. } if features.is_empty() => "it has none at all".into(),
            Self::NoFeature { feature, features, .. } => format!("there is {}", quoted(&listed(features, feature))),
            Self::BinaryNotFound { .. } => "build the program again: its source has changed".into(),
            Self::NotInLibrary { package, .. } => format!("move the tasks into the library of `{package}`"),
            Self::SeveralBinaries { .. } => "put the tasks into a library, or set `default-run` in Cargo.toml".into(),
            Self::MissingStd { triple, looked_in } => install_std(triple, looked_in),
            Self::Dependency(failure) => failure.hint(),
            Self::NotShipped { .. } => format!("there is {}", SHIPPED.map(|name| format!("`{name}`")).join(", ")),
            Self::NoSource { .. } => {
                "name ready-made programs by WXEC_AGENT, WXEC_STARTER and WXEC_COMPILER, and a directory of modules by WXEC_MODULES"
                    .into()
            }
            Self::OtherBuild { .. } => "build this program again".into(),
            Self::NoCCompiler { program, .. } => {
                let packages = match &**program {
                    "aarch64-linux-gnu-gcc" => "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
                    "x86_64-linux-gnu-gcc" => "gcc-x86-64-linux-gnu libc6-dev-amd64-cross",
                    _ => "gcc",
                };
                format!("install a C compiler (on Debian: `apt install {packages}`)")
            }
            Self::NoTool { advice, .. } => (*advice).into(),
            Self::Settings { advice, .. } => return advice.clone(),
            Self::NoCacheDirectory => "set WXEC_CACHE to a directory of your own".into(),
            Self::UnsafeCache { .. } => "set WXEC_CACHE to a directory that only you can change".into(),
            _ => return None,
        })
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

fn install_std(triple: &str, looked_in: &Path) -> String {
    // rustup keeps toolchains in folders of their names; the one in use here need not be its
    // default.
    let mut parts = looked_in
        .iter()
        .skip_while(|part| *part != "toolchains")
        .skip(1);
    let toolchain = parts.next().map_or_else(String::new, |name| {
        format!(" --toolchain {}", name.to_string_lossy())
    });
    format!(
        "run `rustup target add{toolchain} {triple}`, or `sdk/provision {triple}` in wxec's source"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_target_is_installed_for_the_toolchain_in_use() {
        let looked_in = "/root/.rustup/toolchains/1.95.0-x86_64-unknown-linux-gnu/lib/rustlib/wasm32-wasip1/lib".into();
        let rustup = BuildError::MissingStd {
            triple: "wasm32-wasip1".into(),
            looked_in,
        };
        let distribution = BuildError::MissingStd {
            triple: "wasm32-wasip1".into(),
            looked_in: "/usr/lib/rustlib/wasm32-wasip1/lib".into(),
        };

        assert_eq!(
            rustup.hint().as_deref(),
            Some(
                "run `rustup target add --toolchain 1.95.0-x86_64-unknown-linux-gnu wasm32-wasip1`, \
                 or `sdk/provision wasm32-wasip1` in wxec's source"
            )
        );
        assert!(
            distribution
                .hint()
                .is_some_and(|hint| hint.contains("`rustup target add wasm32-wasip1`"))
        );
    }
}
