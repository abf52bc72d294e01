//! Resolves MODULE and MODULE::FUNC to a module and a function in it.

use std::path::{Path, PathBuf};

use wxec::{AbsenceReason, AbsentTask, BuildError, Features, Function, Module, ModuleError};

use crate::{args::Verbosity, command_error::CommandError, misplaced, output::say};

/// Least similarity at which an unknown name counts as a misspelling of a known one.
const ALIKE: f64 = 0.8;

/// Most functions that an error lists: as many as fit a line or two.
const MAX_LISTED: usize = 8;

/// The source of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A `.wasm` file.
    File(PathBuf),
    /// The folder of a package.
    Folder(PathBuf),
    /// A package of the cargo workspace here, or else a module that wxec ships.
    Package(String),
}

impl Source {
    /// Takes `module` as a path if it looks like one, else as a package.
    pub(crate) fn parse(module: &str) -> Self {
        let is_path = module.contains('/') || [".", ".."].contains(&module);
        if is_path && Path::new(module).is_dir() {
            Self::Folder(module.into())
        } else if is_path || module.ends_with(".wasm") {
            Self::File(module.into())
        } else {
            Self::Package(module.into())
        }
    }

    /// Reads the file, or builds the package. A package of the workspace here takes precedence over
    /// a shipped module of that name; prints a line if it uses the shipped one.
    pub(crate) fn load(
        &self,
        features: &Features,
        verbosity: Verbosity,
    ) -> Result<Module, CommandError> {
        let function = match self {
            Self::File(path) if !path.exists() => {
                path.to_str().and_then(misplaced::function_for_module)
            }
            Self::Package(package) => misplaced::function_for_module(package),
            _ => None,
        };
        if let Some(error) = function {
            return Err(error);
        }
        match self {
            Self::File(path) if !features.is_default() => {
                let message = format!(
                    "{} is a module already, whose features cannot be chosen",
                    path.display()
                );
                Err(CommandError::usage(message).hint("name the package it is built from"))
            }
            Self::File(path) => Ok(Module::from_file(path)?),
            Self::Folder(folder) => Ok(Module::from_folder_with(folder, features)?),
            Self::Package(package) => match Module::from_package_with(".", package, features) {
                Err(ModuleError::Build(error))
                    if wxec::is_shipped(package) && is_absence(&error) && features.is_default() =>
                {
                    if verbosity > Verbosity::Quiet {
                        say(&format!(
                            "wxec: `{package}` is the module that wxec ships; there is no such package here"
                        ));
                    }
                    Ok(Module::shipped(package)?)
                }
                module => Ok(module?),
            },
        }
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

/// Splits `MODULE::FUNC`.
pub(crate) fn split_function(text: &str) -> Result<(Source, &str), CommandError> {
    let split = match text.split_once(".wasm::") {
        Some((path, function)) => Some((&text[..path.len() + ".wasm".len()], function)),
        None => text.split_once("::"),
    };
    match split {
        Some((module, function)) if !module.is_empty() && !function.is_empty() => {
            Ok((Source::parse(module), function))
        }
        _ => {
            let message = format!("`{}` names no function", text.escape_debug());
            let module = text.trim_matches(':');
            let is_name =
                |name: &str| name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let guess = module
                .split_once([':', '.', '/'])
                .filter(|(module, name)| is_name(module) && is_name(name));
            Err(CommandError::usage(message).hint(match guess {
                Some((module, function)) => format!("did you mean `{module}::{function}`?"),
                None => format!("write MODULE::FUNC; `wxec inspect {module}` lists the functions"),
            }))
        }
    }
}

/// Returns the function `name`, or `None` if the module exports it without a description. Fails if
/// the module has no such function.
pub(crate) fn find_function<'a>(
    module: &'a Module,
    name: &str,
) -> Result<Option<&'a Function>, CommandError> {
    match module.function(name) {
        Some(function) => Ok(Some(function)),
        None if module.exports().any(|export| export == name) => Ok(None),
        None if is_plain_library(module) => Err(plain_library(module)),
        None => {
            let message = format!(
                "{} has no function `{}`",
                module.name(),
                name.escape_debug()
            );
            // The `main` of a program is its entry point, not a task that lacks `#[remote]`.
            if let Some(absent) = module
                .why_absent(name)
                .filter(|absent| absent.path != "main")
            {
                return Err(CommandError::usage(message).hint(absence(&absent)));
            }
            if module.is_program() && module.exports().next().is_none() {
                let hint = "it is a program: `wxec run TARGET MODULE` runs it";
                return Err(CommandError::usage(message).hint(hint));
            }
            let names: Vec<_> = module
                .exports()
                .map(|export| inside_crate(module, export))
                .collect();
            Err(CommandError::usage(message).hint(suggestion(name, &names)))
        }
    }
}

/// Explains why a function is not in the module, and how to include it.
fn absence(absent: &AbsentTask) -> String {
    match &absent.reason {
        AbsenceReason::Features(features) => {
            format!("{absent}: add `--features {}`", features.join(","))
        }
        _ => absent.to_string(),
    }
}

/// Returns true if the module offers only functions in a form that wxec cannot call.
pub(crate) fn is_plain_library(module: &Module) -> bool {
    !module.is_program()
        && module.exports().next().is_none()
        && module.plain_exports().next().is_some()
}

/// Returns the error for running or calling such a module.
pub(crate) fn plain_library(module: &Module) -> CommandError {
    let names: Vec<_> = module
        .plain_exports()
        .take(MAX_LISTED + 1)
        .map(|name| name.escape_debug().to_string())
        .collect();
    let more = if names.len() > MAX_LISTED {
        ", …"
    } else {
        ""
    };
    let names = names[..names.len().min(MAX_LISTED)].join(", ");
    let message = format!(
        "{} is a library of functions that wxec cannot call ({names}{more}), and no program",
        module.name()
    );
    CommandError::usage(message).hint(
        "wxec runs programs, which export `_start`, and calls functions marked with #[remote]",
    )
}

/// Returns the shortest name by which `module` knows the function at `path`: usually its path
/// inside the crate.
pub(crate) fn inside_crate<'a>(module: &Module, path: &'a str) -> &'a str {
    let inside = path.split_once("::").map_or(path, |(_, inside)| inside);
    if module
        .function(inside)
        .is_some_and(|function| function.path == path)
    {
        inside
    } else {
        path
    }
}

/// Suggests the function that `name` is probably a misspelling of, else lists the functions.
fn suggestion(name: &str, names: &[&str]) -> String {
    let likeness = |candidate: &&str| {
        strsim::jaro_winkler(name, candidate).max(last_segments_alike(name, candidate))
    };
    let best = names
        .iter()
        .copied()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match best {
        None => "mark a function with #[remote], and see that its crate is a cdylib".into(),
        Some(best) if likeness(&best) >= ALIKE => format!("did you mean `{best}`?"),
        Some(_) => {
            let more = if names.len() > MAX_LISTED {
                ", …"
            } else {
                ""
            };
            let names = names[..names.len().min(MAX_LISTED)].join(", ");
            format!("it has {names}{more}")
        }
    }
}

/// Returns 1 if the last segments are equal, so that `lengths` suggests `stats::lengths`.
fn last_segments_alike(a: &str, b: &str) -> f64 {
    let last = |path: &str| path.rsplit("::").next().unwrap_or_default().to_owned();
    if last(a) == last(b) { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_file_and_a_word_a_package() {
        let file = |path: &str| Source::File(path.into());
        let package = |name: &str| Source::Package(name.into());
        for (text, source, function) in [
            ("words::count", package("words"), "count"),
            ("words::stats::lengths", package("words"), "stats::lengths"),
            ("./m.wasm::count", file("./m.wasm"), "count"),
            ("m.wasm::stats::lengths", file("m.wasm"), "stats::lengths"),
            ("/tmp/a::b/m.wasm::count", file("/tmp/a::b/m.wasm"), "count"),
            ("./module::count", file("./module"), "count"),
            ("./src::count", Source::Folder("./src".into()), "count"),
            ("..::count", Source::Folder("..".into()), "count"),
            ("src::count", package("src"), "count"),
        ] {
            assert_eq!(split_function(text), Ok((source, function)), "{text}");
        }
    }

    #[test]
    fn a_module_alone_is_no_function() {
        let error = split_function("words").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`words` names no function; write MODULE::FUNC; `wxec inspect words` lists the functions"
        );
        for text in ["words:count", "words.count", "words/count"] {
            let error = split_function(text).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("`{text}` names no function; did you mean `words::count`?")
            );
        }
        for text in ["", "::", "words::", "::count", "m.wasm::"] {
            assert!(split_function(text).is_err(), "{text}");
        }
    }

    #[test]
    fn misspelled_functions_are_guessed() {
        let names = ["count", "stats::lengths", "top"];
        assert_eq!(suggestion("cuont", &names), "did you mean `count`?");
        assert_eq!(
            suggestion("lengths", &names),
            "did you mean `stats::lengths`?"
        );
        assert_eq!(
            suggestion("reboot", &names),
            "it has count, stats::lengths, top"
        );
        assert_eq!(
            suggestion("reboot", &["a"; 20]),
            "it has a, a, a, a, a, a, a, a, …"
        );
    }
}
