//! The settings of a project, in its file `wxec-module.toml`.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::BuildError;

/// The file with the settings, in the folder of the project. An inventory is `wxec.toml`.
pub(crate) const FILE: &str = "wxec-module.toml";

/// The settings of a project. Paths are relative to its folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// The language, where the project's own files do not tell it, or tell another.
    pub(crate) language: Option<String>,
    /// The command that builds the module, in place of the language's own.
    pub(crate) build: Vec<String>,
    /// The module that the command leaves.
    pub(crate) output: Option<PathBuf>,
    /// Source files, in place of those in the folder: for C and C++.
    pub(crate) sources: Vec<PathBuf>,
    /// Folders with headers, besides the usual ones: for C and C++.
    pub(crate) include: Vec<PathBuf>,
    /// More arguments for the language's own command.
    pub(crate) flags: Vec<String>,
    /// Files and folders outside of the project that its module is made of as well.
    pub(crate) watch: Vec<PathBuf>,
}

impl Settings {
    /// Reads the settings of the project in `folder`, if it has any.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, BuildError> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(BuildError::io("read", &path))?,
        };
        let wrong = |reason: String, advice: Option<&str>| BuildError::Settings {
            path: path.clone(),
            reason,
            advice: advice.map(Into::into),
        };
        let settings: Self =
            toml::from_str(&text).map_err(|error| wrong(error.to_string().trim().into(), None))?;
        if settings.build.is_empty() == settings.output.is_none() {
            return Ok(Some(settings));
        }
        Err(wrong(
            "`build` and `output` belong together".into(),
            Some("name the command that builds the module, and the file that it leaves"),
        ))
    }
}
