//! wxec's own workspace, from which its programs are built.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{Artifact, camino::Utf8PathBuf};
use wxec_protocol::BUILD;

use crate::{
    BuildError, MODULE_TARGET, Progress, Work,
    cargo::{
        command::{Cargo, Toolchain},
        messages::{Outcome, listen},
    },
    module::project::PROFILE,
    tools::{backends::Backends, linking::linking},
};

/// wxec's own workspace.
pub(crate) struct Source {
    directory: PathBuf,
}

impl Source {
    /// Finds the workspace where this crate was compiled: a user's checkout, or the one that cargo
    /// made for a git dependency.
    pub(crate) fn of(work: Work<'_>) -> Result<Self, BuildError> {
        let looked_at = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let directory = fs::canonicalize(&looked_at).unwrap_or(looked_at);
        if !directory.join("runtime/agent/Cargo.toml").is_file() {
            return Err(BuildError::NoSource {
                what: work.to_string(),
                looked_at: directory,
            });
        }
        Ok(Self { directory })
    }

    /// Returns the command that builds `package`, with the profile of its name, for hosts of
    /// `triple`.
    pub(crate) fn for_hosts(
        &self,
        package: &str,
        profile: &str,
        triple: &str,
        cache: &Path,
    ) -> Result<Command, BuildError> {
        let mut command = self.command(&self.cargo_for(triple)?, "build", package, profile, cache);
        command.args(["--target", triple]).envs(linking(triple)?);
        Ok(command)
    }

    /// Returns the command that builds a compiler for this machine.
    pub(crate) fn compiler(&self, package: &str, backends: Backends, cache: &Path) -> Command {
        let cargo = Cargo::new(&self.directory, Toolchain::Surrounding);
        let mut command = self.command(&cargo, "build", package, "compiler", cache);
        if backends == Backends::All {
            command.args(["--features", "foreign"]);
        }
        command
    }

    /// Returns a toolchain that can compile for `triple`: the surrounding one, else the
    /// workspace's.
    pub(crate) fn cargo_for(&self, triple: &str) -> Result<Cargo, BuildError> {
        let surrounding = Cargo::new(&self.directory, Toolchain::Surrounding);
        let own = Cargo::new(&self.directory, Toolchain::OfDirectory);
        match surrounding.std_directory(triple) {
            Ok(_) => Ok(surrounding),
            Err(_) => own.std_directory(triple).map(|_| own),
        }
    }

    /// Returns the command that builds the module of the library `package`.
    pub(crate) fn module(&self, package: &str, cache: &Path) -> Result<Command, BuildError> {
        let cargo = self.cargo_for(MODULE_TARGET)?;
        let mut command = self.command(&cargo, "rustc", package, "wxec", cache);
        command.args(["--lib", "--crate-type", "cdylib", "--target", MODULE_TARGET]);
        command.args(PROFILE.iter().flat_map(|setting| ["--config", setting]));
        Ok(command)
    }

    /// Returns a command that builds `package` alone: with any other, cargo would unify features,
    /// and the agent would carry a compiler.
    fn command(
        &self,
        cargo: &Cargo,
        verb: &str,
        package: &str,
        profile: &str,
        cache: &Path,
    ) -> Command {
        let target = cache.join("target");
        let mut command = cargo.cargo();
        command.args([
            verb,
            "--locked",
            "--message-format",
            "json",
            "--package",
            package,
            "--profile",
            profile,
        ]);
        command
            .arg("--target-dir")
            .arg(&target)
            .env("CARGO_BUILD_BUILD_DIR", target);
        // Even if empty, this variable outranks every configuration: `target-cpu=native` must not
        // travel to other machines.
        command.env("CARGO_ENCODED_RUSTFLAGS", "");
        for flags in ["CFLAGS", "HOST_CFLAGS", "TARGET_CFLAGS"] {
            command.env_remove(flags);
        }
        command
    }

    /// Runs `command` and returns the program or module it leaves, and how many crates were
    /// compiled for it.
    pub(crate) fn build(
        &self,
        mut command: Command,
        package: &str,
        work: Work<'_>,
        progress: &dyn Progress,
    ) -> Result<(Vec<u8>, usize), BuildError> {
        let outcome = listen(&mut command, work, progress)?;
        if !outcome.success {
            return Err(failure(&outcome, work));
        }
        self.check_build(&outcome)?;
        let ours = outcome
            .artifacts
            .iter()
            .filter(|artifact| artifact.target.name == package);
        let file = ours.filter_map(program_or_module).next();
        let file = file.ok_or_else(|| BuildError::NoArtifact {
            what: work.to_string(),
        })?;
        let bytes = fs::read(file).map_err(BuildError::io("read", file))?;
        Ok((bytes, outcome.compiled))
    }

    /// Refuses programs of another build, which result when the source was edited and this program
    /// not compiled again: the two ends would not talk to each other.
    fn check_build(&self, outcome: &Outcome) -> Result<(), BuildError> {
        let variables = outcome.scripts.iter().flat_map(|script| &script.env);
        let mut builds = variables
            .filter(|(name, _)| name == "WXEC_BUILD")
            .map(|(_, build)| build);
        match builds.find(|build| *build != BUILD) {
            None => Ok(()),
            Some(theirs) => Err(BuildError::OtherBuild {
                ours: BUILD,
                theirs: theirs.clone(),
                source_directory: self.directory.clone(),
            }),
        }
    }
}

/// Returns the error of a build that failed, with all that cargo and rustc said.
fn failure(outcome: &Outcome, work: Work<'_>) -> BuildError {
    let complaint = outcome.complaint.trim_start_matches("error: ");
    let rendered = outcome.errors.iter().map(|error| error.rendered.as_str());
    let detail: String = [complaint].into_iter().chain(rendered).collect();
    BuildError::Cargo {
        what: work.to_string(),
        detail: detail.trim_end().into(),
    }
}

fn program_or_module(artifact: &Artifact) -> Option<&Utf8PathBuf> {
    let is_module = |file: &&Utf8PathBuf| file.extension() == Some("wasm");
    let module = || artifact.filenames.iter().find(is_module);
    artifact.executable.as_ref().or_else(module)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    const WORK: Work<'static> = Work::Compiler;

    #[test]
    fn wxecs_own_source_is_found() {
        let source = Source::of(WORK).expect("the tests run in it");
        assert!(source.directory.join("Cargo.toml").is_file());
    }

    #[test]
    fn programs_are_built_alone_locked_and_without_flags_from_outside() {
        let source = Source::of(WORK).expect("the tests run in it");

        let build = |backends| source.compiler("wxec-compiler", backends, Path::new("/cache"));
        let arguments = |command: &Command| -> String {
            let words: Vec<_> = command.get_args().filter_map(OsStr::to_str).collect();
            words.join(" ")
        };
        let command = build(Backends::Own);

        let expected = "build --locked --message-format json --package wxec-compiler --profile compiler --target-dir /cache/target";
        assert_eq!(arguments(&command), expected);
        assert_eq!(
            arguments(&build(Backends::All)),
            format!("{expected} --features foreign")
        );
        assert_eq!(command.get_current_dir(), Some(source.directory.as_path()));
        let flags = command
            .get_envs()
            .find(|(name, _)| *name == "CARGO_ENCODED_RUSTFLAGS");
        assert_eq!(flags.and_then(|(_, flags)| flags), Some(OsStr::new("")));
    }

    #[test]
    fn other_builds_of_the_source_are_refused() {
        let source = Source {
            directory: "/src/wxec".into(),
        };
        let script = |build: &str| {
            let text = format!(
                r#"{{"package_id":"p","linked_libs":[],"linked_paths":[],"cfgs":[],"env":[["WXEC_BUILD","{build}"]],"out_dir":""}}"#
            );
            serde_json::from_str(&text).expect("it is what cargo prints")
        };
        let outcome = |build| Outcome {
            scripts: vec![script(build)],
            ..Outcome::default()
        };

        assert!(source.check_build(&outcome(BUILD)).is_ok());
        assert!(matches!(
            source.check_build(&outcome("other")),
            Err(BuildError::OtherBuild { .. })
        ));
    }
}
