//! Finds the package and the target that hold the tasks.

use std::path::Path;

use cargo_metadata::{Metadata, Package, Target, TargetKind};
use serde::{Deserialize, Serialize};

use crate::{BuildError, Origin, base::names::looks_like};

/// One target of a package, as `cargo rustc` selects it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unit {
    pub(crate) kind: UnitKind,
    /// The target's name: that of the crate, but for dashes.
    pub(crate) name: String,
    /// Features without which cargo would not build it.
    pub(crate) required_features: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum UnitKind {
    Library,
    Program,
    Example,
}

impl Unit {
    /// Returns the target that a task was compiled in.
    pub(crate) fn of_origin(
        origin: &Origin,
        package: &Package,
        root: &Path,
    ) -> Result<Self, BuildError> {
        let Some(binary) = origin.binary else {
            let not_in_library = || BuildError::NotInLibrary {
                package: package.name.to_string(),
                crate_name: origin.crate_name.into(),
                file: origin.file.into(),
            };
            let is_ours = |target: &&Target| target.name.replace('-', "_") == origin.crate_name;
            return library(package)
                .filter(is_ours)
                .map(Self::from)
                .ok_or_else(not_in_library);
        };
        // A program and an example may share their name; then the task's file stands below the
        // folder of one of them.
        let file = root.join(origin.file);
        let folder_depth = |target: &&Target| match target.src_path.parent() {
            _ if target.src_path == file => usize::MAX,
            Some(folder) if file.starts_with(folder) => folder.components().count(),
            _ => 0,
        };
        let named = package
            .targets
            .iter()
            .filter(|target| target.name == binary);
        let programs = named.filter(|target| target.is_bin() || target.is_example());
        programs
            .max_by_key(folder_depth)
            .map(Self::from)
            .ok_or_else(|| BuildError::BinaryNotFound {
                package: package.name.to_string(),
                binary: binary.into(),
            })
    }

    /// Returns the target whose tasks others would call: the library, or the only program.
    pub(crate) fn of_package(package: &Package) -> Result<Self, BuildError> {
        if let Some(library) = library(package) {
            return Ok(library.into());
        }
        let programs: Vec<&Target> = package
            .targets
            .iter()
            .filter(|target| target.is_bin())
            .collect();
        let default = |target: &&&Target| package.default_run.as_ref() == Some(&target.name);
        match (programs.as_slice(), programs.iter().find(default)) {
            ([], _) => Err(BuildError::NothingToBuild {
                package: package.name.to_string(),
            }),
            (&[only], _) | (_, Some(&only)) => Ok(only.into()),
            _ => Err(BuildError::SeveralBinaries {
                package: package.name.to_string(),
                binaries: programs.iter().map(|target| target.name.clone()).collect(),
            }),
        }
    }

    /// Returns the arguments that make cargo build this target and nothing else.
    pub(crate) fn arguments(&self) -> Vec<&str> {
        match self.kind {
            UnitKind::Library => vec!["--lib", "--crate-type", "cdylib"],
            UnitKind::Program => vec!["--bin", &self.name],
            UnitKind::Example => vec!["--example", &self.name],
        }
    }

    /// Returns true if `target`, as cargo reports it while building, is this one.
    pub(crate) fn is(&self, target: &Target) -> bool {
        self.name == target.name && self.kind == kind(target)
    }
}

impl From<&Target> for Unit {
    fn from(target: &Target) -> Self {
        Self {
            kind: kind(target),
            name: target.name.clone(),
            required_features: target.required_features.clone(),
        }
    }
}

/// Returns the package in `directory`, whatever its name is now; else the package `name`.
pub(crate) fn package_in<'a>(
    metadata: &'a Metadata,
    directory: &Path,
    name: &str,
) -> Result<&'a Package, BuildError> {
    let is_there = |package: &&Package| {
        package
            .manifest_path
            .parent()
            .is_some_and(|folder| folder == directory)
    };
    metadata
        .packages
        .iter()
        .find(is_there)
        .map_or_else(|| package_named(metadata, name), Ok)
}

/// Returns the innermost package of the workspace whose folder `directory` is in.
pub(crate) fn package_around<'a>(
    metadata: &'a Metadata,
    directory: &Path,
) -> Result<&'a Package, BuildError> {
    let depth = |package: &&Package| {
        let folder = package
            .manifest_path
            .parent()
            .filter(|folder| directory.starts_with(folder));
        folder.map(|folder| folder.components().count())
    };
    let around = metadata
        .packages
        .iter()
        .filter(|package| depth(package).is_some())
        .max_by_key(depth);
    around.ok_or_else(|| BuildError::NotInPackage {
        directory: directory.into(),
    })
}

/// Returns the package `name` of the workspace.
pub(crate) fn package_named<'a>(
    metadata: &'a Metadata,
    name: &str,
) -> Result<&'a Package, BuildError> {
    let packages = metadata.workspace_packages();
    if let Some(package) = packages
        .iter()
        .find(|package| package.name.as_ref() == name)
    {
        return Ok(package);
    }
    let mut near: Vec<String> = packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    near.retain(|other| looks_like(other, name));
    Err(BuildError::PackageNotFound {
        package: name.into(),
        workspace: metadata.workspace_root.clone().into(),
        near,
    })
}

fn library(package: &Package) -> Option<&Target> {
    package
        .targets
        .iter()
        .find(|target| kind(target) == UnitKind::Library && !is_host_only(target))
}

fn kind(target: &Target) -> UnitKind {
    match target.kind.first() {
        Some(TargetKind::Bin) => UnitKind::Program,
        Some(TargetKind::Example) => UnitKind::Example,
        _ => UnitKind::Library,
    }
}

fn is_host_only(target: &Target) -> bool {
    target.kind.iter().any(|kind| {
        matches!(
            kind,
            TargetKind::ProcMacro | TargetKind::CustomBuild | TargetKind::Test | TargetKind::Bench
        )
    })
}
