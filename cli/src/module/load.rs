//! Loads modules: reads a file, or builds a package.

use wxec::{
    Module,
    build::BuildError,
    module::{Features, ModuleError},
};

use crate::{
    args::{misplaced, module_name::ModuleSource},
    base::verbosity::Verbosity,
    output::command_error::CommandError,
    terminal::{interrupt, stderr::say},
};

/// Reads the file of a module, or builds its package. A package of the workspace here takes
/// precedence over a shipped module of that name; prints a line if it uses the shipped one.
pub(crate) fn load(
    source: &ModuleSource,
    features: &Features,
    verbosity: Verbosity,
) -> Result<Module, CommandError> {
    let function = match source {
        ModuleSource::File(path) if !path.exists() => {
            path.to_str().and_then(misplaced::function_for_module)
        }
        ModuleSource::Package(package) => misplaced::function_for_module(package),
        _ => None,
    };
    if let Some(error) = function {
        return Err(error);
    }
    let module = find(source, features, verbosity)?;
    // A module of some languages tells its functions only when it is called.
    if module.functions().is_empty() {
        interrupt::block_on(module.describe())??;
    }
    Ok(module)
}

fn find(
    source: &ModuleSource,
    features: &Features,
    verbosity: Verbosity,
) -> Result<Module, CommandError> {
    match source {
        ModuleSource::File(path) if !features.is_default() => {
            let message = format!(
                "{} is a module already, whose features cannot be chosen",
                path.display()
            );
            Err(CommandError::usage(message).hint("name the package it is built from"))
        }
        ModuleSource::File(path) => Ok(Module::from_file(path)?),
        ModuleSource::Folder(folder) => Ok(Module::from_folder_with(folder, features)?),
        ModuleSource::Package(package) => load_package(package, features, verbosity),
    }
}

fn load_package(
    package: &str,
    features: &Features,
    verbosity: Verbosity,
) -> Result<Module, CommandError> {
    match Module::from_package_with(".", package, features) {
        Err(ModuleError::Build(error))
            if wxec::build::is_shipped(package) && is_absence(&error) && features.is_default() =>
        {
            if verbosity > Verbosity::Quiet {
                say(&format!(
                    "wxec: `{package}` is the module that wxec ships; there is no such package here"
                ));
            }
            Ok(Module::shipped(package)?)
        }
        module => Ok(module?),
    }
}

/// Returns true if there is no package of that name: no such package, no workspace, or no cargo to
/// ask.
fn is_absence(error: &BuildError) -> bool {
    matches!(
        error,
        BuildError::PackageNotFound { .. }
            | BuildError::NoManifest { .. }
            | BuildError::CannotRun { .. }
    )
}
