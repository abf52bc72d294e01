//! A workspace whose crates become modules, and the cargo that builds them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{Metadata, Package};
use wxec_protocol::Digest;

use crate::{
    BuildError, BuiltModule, Features, MODULE_TARGET, PackageSource, Progress, ProgressEvent, Work,
    base::variables::{given, home},
    cache::directory::{cache_directory, create_private, take_turn},
    cargo::{
        command::{Cargo, Toolchain},
        messages::{Outcome, listen},
    },
    module::{
        diagnosis,
        fresh::{Build, Request},
    },
    package::unit::Unit,
};

/// wxec's own profile, so that a user's release profile may have any settings.
///
/// Measured on a guest with serde and the CBOR codec (165 KB): fat LTO makes it 9% smaller and each
/// rebuild 1.6 s instead of 0.7 s, opt-level "s" makes it larger without LTO, and more codegen
/// units make it larger and no faster. Function names stay, because a trap's backtrace shows them.
pub(crate) const PROFILE: [&str; 6] = [
    "profile.wxec.inherits=\"release\"",
    "profile.wxec.opt-level=2",
    "profile.wxec.codegen-units=4",
    "profile.wxec.lto=false",
    "profile.wxec.panic=\"abort\"",
    "profile.wxec.strip=\"debuginfo\"",
];

/// The variable with rustc's flags for [`MODULE_TARGET`], in cargo's spelling. Flags that a user
/// sets there are meant for modules.
const FLAGS: &str = "CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS";

/// Returns all by which our own settings and the user's flags change modules, besides features.
pub(crate) fn settings() -> Vec<String> {
    let version = env!("CARGO_PKG_VERSION");
    let settings = PROFILE.iter().copied().chain([version]);
    settings.map(str::to_owned).chain([flags()]).collect()
}

/// Returns rustc's flags for modules.
fn flags() -> String {
    let flags = given(FLAGS)
        .map(|flags| flags.to_string_lossy().into_owned())
        .unwrap_or_default();
    // The flag itself does nothing.
    format!("{flags} --cfg wxec")
}

/// A workspace, and the cargo that works in it.
pub(crate) struct Project {
    cargo: Cargo,
    pub(crate) metadata: Metadata,
    /// The request that a build is recorded for.
    request: Option<Request>,
}

impl Project {
    pub(crate) fn around(directory: &Path) -> Result<Self, BuildError> {
        let cargo = Cargo::new(directory, Toolchain::Surrounding);
        let metadata = cargo.metadata(&["--no-deps"])?;
        Ok(Self {
            cargo,
            metadata,
            request: None,
        })
    }

    /// Records the builds, so that `request` finds them.
    pub(crate) fn recorded_for(self, request: Request) -> Self {
        Self {
            request: Some(request),
            ..self
        }
    }

    /// Builds `unit` of `package` below `target`. No other cargo may use that directory: an outer
    /// cargo would hold its lock while it waits for us.
    pub(crate) fn build(
        &self,
        package: &Package,
        unit: &Unit,
        features: &Features,
        target: &Path,
        progress: &dyn Progress,
    ) -> Result<BuiltModule, BuildError> {
        features.check(package)?;
        let work = Work::Module(package.name.as_ref());
        fs::create_dir_all(target).map_err(BuildError::io("create", target))?;
        // A library and a program of one name share their file's name, so the turn lasts until the
        // file is read.
        let _turn = take_turn(&target.join(".wxec-lock"), || {
            progress.report(ProgressEvent::Waiting { work })
        })?;
        if !target.join(MODULE_TARGET).is_dir() {
            self.cargo.std_directory(MODULE_TARGET)?;
        }

        let mut command = self.command(package, unit, features, target);
        let outcome = listen(&mut command, work, progress)?;
        if !outcome.success {
            return Err(diagnosis::explain(&self.cargo, package, unit, &outcome));
        }
        let path = module_file(&outcome, package, unit).ok_or_else(|| BuildError::NoArtifact {
            what: work.to_string(),
        })?;
        let bytes = fs::read(&path).map_err(BuildError::io("read", &path))?;
        let module = BuiltModule {
            digest: Digest::of(&bytes),
            path: Some(path),
            bytes,
            compiled: outcome.compiled,
            source: Some(PackageSource::of(package, unit, features)),
        };
        if let Some(request) = &self.request {
            request.record(&Build {
                cargo: &self.cargo,
                metadata: &self.metadata,
                package,
                outcome: &outcome,
                module: &module,
            });
        }
        Ok(module)
    }

    fn command(
        &self,
        package: &Package,
        unit: &Unit,
        features: &Features,
        target: &Path,
    ) -> Command {
        let mut command = self.cargo.cargo();
        command
            .arg("rustc")
            .arg("--manifest-path")
            .arg(&package.manifest_path)
            .args(unit.arguments());
        command.args(["--target", MODULE_TARGET, "--message-format", "json"]);
        command.arg("--target-dir").arg(target);
        // A user's configuration may keep intermediate files in another directory, where an outer
        // cargo holds the lock.
        command.env("CARGO_BUILD_BUILD_DIR", target);

        // With flags for this very target, cargo ignores those that a configuration sets for all
        // targets, which are meant for the host: `target-cpu=native`, another linker.
        command.env(FLAGS, flags());

        command.args(features.arguments(&unit.required_features));
        command.args(["--profile", "wxec"]);
        if !self.has_profile() {
            command.args(PROFILE.iter().flat_map(|setting| ["--config", setting]));
        }
        command
    }

    /// Returns true if the workspace has a profile `wxec` of its own, which then is the one to use.
    fn has_profile(&self) -> bool {
        let manifest =
            fs::read_to_string(self.metadata.workspace_root.join("Cargo.toml")).unwrap_or_default();
        manifest.lines().any(|line| line.trim() == "[profile.wxec]")
    }

    /// Returns `wxec` below the workspace's own target directory, or a directory in the cache for a
    /// package that cargo downloaded, whose folder must not be changed.
    pub(crate) fn target_directory(&self) -> Result<PathBuf, BuildError> {
        if home("CARGO_HOME", ".cargo")
            .is_some_and(|home| self.metadata.workspace_root.starts_with(home))
        {
            let directory = cache_directory()?.join("modules");
            create_private(&directory)?;
            return Ok(directory);
        }
        Ok(self.metadata.target_directory.join("wxec").into())
    }
}

/// Returns the file that a build left for `unit` of `package`.
fn module_file(outcome: &Outcome, package: &Package, unit: &Unit) -> Option<PathBuf> {
    let ours = outcome
        .artifacts
        .iter()
        .filter(|artifact| artifact.package_id == package.id && unit.is(&artifact.target));
    let mut files = ours.flat_map(|artifact| &artifact.filenames);
    let file = files.find(|file| file.extension() == Some("wasm"))?;
    Some(file.into())
}
