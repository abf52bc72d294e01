//! Builds the module of a crate.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{Metadata, Package};
use wxec_protocol::Digest;

use crate::{
    BuildError, Features, MODULE_TARGET, Origin, PackageSource, Progress, ProgressEvent, Work,
    cache::{cache_directory, create_private, take_turn},
    cargo::{Cargo, Toolchain},
    diagnosis,
    environment::given,
    messages::listen,
    unit::{Unit, package_around, package_in, package_named},
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

/// A crate, compiled for [`MODULE_TARGET`].
#[derive(Clone, PartialEq, Eq)]
pub struct BuiltModule {
    /// The file that cargo left, which the next build replaces; `None` if the module was embedded
    /// in this program.
    pub path: Option<PathBuf>,
    /// The module.
    pub bytes: Vec<u8>,
    /// Its digest.
    pub digest: Digest,
    /// Number of crates that cargo compiled for it: 0 if nothing had changed.
    pub compiled: usize,
    /// The package it was just built from, which tells why a task is not in it.
    pub source: Option<PackageSource>,
}

impl std::fmt::Debug for BuiltModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuiltModule")
            .field("path", &self.path)
            .field("bytes", &self.bytes.len())
            .field("digest", &self.digest)
            .field("compiled", &self.compiled)
            .finish()
    }
}

/// Returns the module that holds a task: the embedded one, else the task's crate, built now.
pub fn module(origin: &Origin, progress: &dyn Progress) -> Result<BuiltModule, BuildError> {
    if let Some(bytes) = origin.embedded {
        return Ok(BuiltModule {
            path: None,
            bytes: bytes.into(),
            digest: Digest::of(bytes),
            compiled: 0,
            source: None,
        });
    }
    let directory = Path::new(origin.manifest_dir);
    if !directory.join("Cargo.toml").is_file() {
        return Err(BuildError::SourceGone {
            package: origin.package.into(),
            directory: directory.into(),
        });
    }
    let directory = fs::canonicalize(directory).map_err(BuildError::io("find", directory))?;
    let project = Project::around(&directory)?;
    let package = package_in(&project.metadata, &directory, origin.package)?;
    let unit = Unit::of_origin(
        origin,
        package,
        project.metadata.workspace_root.as_std_path(),
    )?;
    project.build(
        package,
        &unit,
        &Features::default(),
        &project.target_directory()?,
        progress,
    )
}

/// Builds the module of `package`, a member of the cargo workspace around `directory`, from its
/// library or its only program.
pub fn module_of_package(
    directory: &Path,
    package: &str,
    features: &Features,
    progress: &dyn Progress,
) -> Result<BuiltModule, BuildError> {
    let project = Project::around(directory)?;
    let package = package_named(&project.metadata, package)?;
    let unit = Unit::of_package(package)?;
    project.build(
        package,
        &unit,
        features,
        &project.target_directory()?,
        progress,
    )
}

/// Builds the module of the package whose folder `directory` is, or is in. Also returns the
/// package's name.
pub fn module_of_folder(
    directory: &Path,
    features: &Features,
    progress: &dyn Progress,
) -> Result<(String, BuiltModule), BuildError> {
    let directory = fs::canonicalize(directory).map_err(BuildError::io("find", directory))?;
    let project = Project::around(&directory)?;
    let package = package_around(&project.metadata, &directory)?;
    let unit = Unit::of_package(package)?;
    let built = project.build(
        package,
        &unit,
        features,
        &project.target_directory()?,
        progress,
    )?;
    Ok((package.name.to_string(), built))
}

/// A workspace, and the cargo that works in it.
pub(crate) struct Project {
    cargo: Cargo,
    pub(crate) metadata: Metadata,
}

impl Project {
    pub(crate) fn around(directory: &Path) -> Result<Self, BuildError> {
        let cargo = Cargo::new(directory, Toolchain::Surrounding);
        let metadata = cargo.metadata(&["--no-deps"])?;
        Ok(Self { cargo, metadata })
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

        let outcome = listen(
            &mut self.command(package, unit, features, target),
            work,
            progress,
        )?;
        if !outcome.success {
            return Err(diagnosis::explain(&self.cargo, package, unit, &outcome));
        }
        let ours = outcome
            .artifacts
            .iter()
            .filter(|artifact| artifact.package_id == package.id && unit.is(&artifact.target));
        let mut files = ours.flat_map(|artifact| &artifact.filenames);
        let path = files.find(|file| file.extension() == Some("wasm"));
        let path: PathBuf = path
            .ok_or_else(|| BuildError::NoArtifact {
                what: work.to_string(),
            })?
            .into();
        let bytes = fs::read(&path).map_err(BuildError::io("read", &path))?;
        let source = Some(PackageSource::of(package, unit, features));
        Ok(BuiltModule {
            digest: Digest::of(&bytes),
            path: Some(path),
            bytes,
            compiled: outcome.compiled,
            source,
        })
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
        // targets, which are meant for the host: `target-cpu=native`, another linker. The flag
        // itself does nothing.
        let flags = given(FLAGS)
            .map(|flags| flags.to_string_lossy().into_owned())
            .unwrap_or_default();
        command.env(FLAGS, format!("{flags} --cfg wxec"));

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
    fn target_directory(&self) -> Result<PathBuf, BuildError> {
        let cargo_home = given("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| env::home_dir().map(|home| home.join(".cargo")));
        if cargo_home.is_some_and(|home| self.metadata.workspace_root.starts_with(home)) {
            let directory = cache_directory()?.join("modules");
            create_private(&directory)?;
            return Ok(directory);
        }
        Ok(self.metadata.target_directory.join("wxec").into())
    }
}
