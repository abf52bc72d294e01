//! Finds a crate by a task, a name or a folder, and builds its module.

use std::{fs, path::Path};

use wxec_protocol::Digest;

use crate::{
    BuildError, BuiltModule, Features, Origin, Progress,
    module::{
        fresh::Request,
        project::{Project, settings},
    },
    package::unit::{Unit, package_around, package_in, package_named},
};

/// Returns the module that holds a task: the embedded one, else that of the task's crate, built if
/// anything has changed.
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
    let words = [
        origin.package,
        origin.binary.unwrap_or_default(),
        origin.crate_name,
        origin.file,
    ];
    let features = Features::default();
    let request = Request::new(&directory, &words, &features, &settings());
    if let Some(found) = request.find() {
        return Ok(found.module);
    }
    let project = Project::around(&directory)?.recorded_for(request);
    let package = package_in(&project.metadata, &directory, origin.package)?;
    let unit = Unit::of_origin(
        origin,
        package,
        project.metadata.workspace_root.as_std_path(),
    )?;
    let target = project.target_directory()?;
    project.build(package, &unit, &features, &target, progress)
}

/// Builds the module of `package`, a member of the cargo workspace around `directory`, from its
/// library or its only program.
pub fn module_of_package(
    directory: &Path,
    package: &str,
    features: &Features,
    progress: &dyn Progress,
) -> Result<BuiltModule, BuildError> {
    let request = Request::new(directory, &[package], features, &settings());
    if let Some(found) = request.find() {
        return Ok(found.module);
    }
    let project = Project::around(directory)?.recorded_for(request);
    let package = package_named(&project.metadata, package)?;
    let unit = Unit::of_package(package)?;
    let target = project.target_directory()?;
    project.build(package, &unit, features, &target, progress)
}

/// Builds the module of the package whose folder `directory` is, or is in. Also returns the
/// package's name. The folder is no project in another language.
pub(crate) fn module_of_crate(
    directory: &Path,
    features: &Features,
    progress: &dyn Progress,
) -> Result<(String, BuiltModule), BuildError> {
    let directory = fs::canonicalize(directory).map_err(BuildError::io("find", directory))?;
    let request = Request::new(&directory, &[], features, &settings());
    if let Some(found) = request.find() {
        return Ok((found.package, found.module));
    }
    let project = Project::around(&directory)?.recorded_for(request);
    let package = package_around(&project.metadata, &directory)?;
    let unit = Unit::of_package(package)?;
    let target = project.target_directory()?;
    let built = project.build(package, &unit, features, &target, progress)?;
    Ok((package.name.to_string(), built))
}
