//! MODULE and MODULE::FUNC, as they are typed.

use std::path::{Path, PathBuf};

use crate::output::command_error::CommandError;

/// The source of a module, judged by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModuleSource {
    /// A `.wasm` file.
    File(PathBuf),
    /// The folder of a package.
    Folder(PathBuf),
    /// A package of the cargo workspace here, or else a module that wxec ships.
    Package(String),
}

impl ModuleSource {
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
}

/// Splits `MODULE::FUNC`.
pub(crate) fn split_function(text: &str) -> Result<(ModuleSource, &str), CommandError> {
    let split = match text.split_once(".wasm::") {
        Some((path, function)) => Some((&text[..path.len() + ".wasm".len()], function)),
        None => text.split_once("::"),
    };
    match split {
        Some((module, function)) if !module.is_empty() && !function.is_empty() => {
            Ok((ModuleSource::parse(module), function))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_file_and_a_word_a_package() {
        let file = |path: &str| ModuleSource::File(path.into());
        let package = |name: &str| ModuleSource::Package(name.into());
        for (text, source, function) in [
            ("words::count", package("words"), "count"),
            ("words::stats::lengths", package("words"), "stats::lengths"),
            ("./m.wasm::count", file("./m.wasm"), "count"),
            ("m.wasm::stats::lengths", file("m.wasm"), "stats::lengths"),
            ("/tmp/a::b/m.wasm::count", file("/tmp/a::b/m.wasm"), "count"),
            ("./module::count", file("./module"), "count"),
            (
                "./src::count",
                ModuleSource::Folder("./src".into()),
                "count",
            ),
            ("..::count", ModuleSource::Folder("..".into()), "count"),
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
}
