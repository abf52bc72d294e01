//! Starts cargo and rustc, and asks them questions that they answer at once.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use cargo_metadata::{Metadata, MetadataCommand};

use crate::{BuildError, base::variables::given, cargo::environment::clean};

/// The toolchain that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The toolchain of the surrounding cargo, if there is one.
    Surrounding,
    /// The toolchain that the directory's `rust-toolchain.toml` asks for.
    OfDirectory,
}

/// The cargo and rustc that work in a directory.
#[derive(Debug, Clone)]
pub(crate) struct Cargo {
    directory: PathBuf,
    toolchain: Toolchain,
}

impl Cargo {
    pub(crate) fn new(directory: impl Into<PathBuf>, toolchain: Toolchain) -> Self {
        Self {
            directory: directory.into(),
            toolchain,
        }
    }

    /// Returns a command that runs cargo, without arguments yet.
    pub(crate) fn cargo(&self) -> Command {
        // A surrounding cargo is named in `CARGO`; rustup's cargo in PATH leads to the toolchain
        // that the directory asks for.
        let surrounding = given("CARGO").filter(|cargo| Path::new(cargo).is_file());
        self.command(surrounding, "cargo")
    }

    pub(crate) fn rustc(&self) -> Command {
        self.command(given("RUSTC"), "rustc")
    }

    fn command(&self, surrounding: Option<OsString>, name: &str) -> Command {
        let program = surrounding.filter(|_| self.toolchain == Toolchain::Surrounding);
        let mut command = Command::new(program.unwrap_or_else(|| name.into()));
        clean(&mut command);
        if self.toolchain == Toolchain::OfDirectory {
            command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
        }
        command.current_dir(&self.directory).stdin(Stdio::null());
        command
    }

    /// Runs `cargo metadata` for the workspace around the directory, if there is one.
    pub(crate) fn metadata(&self, options: &[&str]) -> Result<Metadata, BuildError> {
        // Cargo looks for a manifest from the directory upwards.
        let directory = fs::canonicalize(&self.directory)
            .or_else(|_| std::path::absolute(&self.directory))
            .unwrap_or_else(|_| self.directory.clone());
        let mut folders = directory.ancestors();
        if !folders.any(|folder| folder.join("Cargo.toml").exists()) {
            return Err(BuildError::NoManifest { directory });
        }
        let mut command = self.cargo();
        command
            .args(["metadata", "--format-version", "1"])
            .args(options);
        let output = output(&mut command)?;
        let complain = |detail: String| BuildError::Workspace {
            directory: self.directory.clone(),
            detail,
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            if said.contains("could not find `Cargo.toml`") {
                return Err(BuildError::NoManifest { directory });
            }
            return Err(complain(said.trim().trim_start_matches("error: ").into()));
        }
        MetadataCommand::parse(String::from_utf8_lossy(&output.stdout))
            .map_err(|error| complain(error.to_string()))
    }

    /// Returns the directory of this toolchain's standard library for `triple`.
    pub(crate) fn std_directory(&self, triple: &str) -> Result<PathBuf, BuildError> {
        let output = output(
            self.rustc()
                .args(["--print", "target-libdir", "--target", triple]),
        )?;
        let directory = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let is_std = |entry: io::Result<fs::DirEntry>| {
            entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
        };
        if output.status.success()
            && fs::read_dir(&directory).is_ok_and(|mut entries| entries.any(is_std))
        {
            return Ok(directory);
        }
        Err(BuildError::MissingStd {
            triple: triple.into(),
            looked_in: directory,
        })
    }

    /// Returns the directory of the toolchain that rustc belongs to.
    pub(crate) fn sysroot(&self) -> Result<PathBuf, BuildError> {
        let output = output(self.rustc().args(["--print", "sysroot"]))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().into())
    }

    /// Returns the first line of `program --version`.
    pub(crate) fn version(mut program: Command) -> Result<String, BuildError> {
        let output = output(program.arg("--version"))?;
        Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .next()
            .unwrap_or_default()
            .into())
    }
}

/// Returns true if `program` can be found the way the system finds it.
pub(crate) fn in_path(program: &str) -> bool {
    Path::new(program).is_file() || find_in_path(program).is_some()
}

/// Returns the first file of that name in the directories of `PATH`; an absolute path as it is.
pub(crate) fn find_in_path(program: impl AsRef<Path>) -> Option<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&paths)
        .map(|directory| directory.join(&program))
        .find(|path| path.is_file())
}

pub(crate) fn cannot_run(command: &Command) -> impl FnOnce(io::Error) -> BuildError {
    let program = command.get_program().to_string_lossy().into_owned();
    move |source| BuildError::CannotRun { program, source }
}

fn output(command: &mut Command) -> Result<Output, BuildError> {
    // A missing directory would otherwise look like a missing program.
    if let Some(directory) = command
        .get_current_dir()
        .filter(|directory| !directory.is_dir())
    {
        return Err(BuildError::NoManifest {
            directory: directory.into(),
        });
    }
    command.output().map_err(cannot_run(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn std_of_an_unknown_target_is_missing() {
        let cargo = Cargo::new(env!("CARGO_MANIFEST_DIR"), Toolchain::Surrounding);

        let error = cargo
            .std_directory("pdp11-dec-unix")
            .expect_err("there is none");

        assert!(
            matches!(&error, BuildError::MissingStd { triple, .. } if triple == "pdp11-dec-unix"),
            "{error}"
        );
    }

    #[test]
    fn a_directory_that_is_gone_is_not_a_missing_cargo() {
        let cargo = Cargo::new("/gone/for/good", Toolchain::Surrounding);

        assert!(matches!(
            cargo.metadata(&[]),
            Err(BuildError::NoManifest { .. })
        ));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = output(&mut Command::new("no-such-cargo")).expect_err("there is none");

        assert_eq!(error.to_string(), "cannot run `no-such-cargo`");
        assert!(error.hint().is_some());
    }
}
