//! Files of a script.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Language of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Python: a directory with a `pyproject.toml`, or a `.py` file.
    Python,
    /// JavaScript: a directory with a `package.json`, or a `.js` or `.mjs` file.
    JavaScript,
}

impl Language {
    /// Returns the file that marks a project.
    fn manifest(self) -> &'static str {
        match self {
            Self::Python => "pyproject.toml",
            Self::JavaScript => "package.json",
        }
    }

    fn has(self, file: &Path) -> bool {
        let extension = file.extension().and_then(|extension| extension.to_str());
        match self {
            Self::Python => extension == Some("py"),
            Self::JavaScript => matches!(extension, Some("js" | "mjs")),
        }
    }

    /// Returns true for a file or directory that is no part of the script: tests, and other people's
    /// packages and caches.
    fn leaves_out(self, name: &str) -> bool {
        const DIRECTORIES: [&str; 9] = [
            "node_modules",
            "venv",
            "__pycache__",
            "tests",
            "test",
            "dist",
            "build",
            "target",
            "site-packages",
        ];
        let is_test = match self {
            Self::Python => {
                name.starts_with("test_") || name == "setup.py" || name == "conftest.py"
            }
            Self::JavaScript => name.contains(".test.") || name.contains(".config."),
        };
        is_test || name.starts_with('.') || DIRECTORIES.contains(&name)
    }
}

/// The files of a script: those of a project, or a single one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Name for the module's file: that of the directory, or of the file.
    pub name: String,
    /// Its language.
    pub language: Language,
    /// Each file: its path below the project, with `/`, and its text. A path gives the tasks in it
    /// their own: `words/stats.py` has those of `words::stats`.
    pub files: Vec<(String, String)>,
}

/// Reason why a script cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The path is no project and no script.
    #[error("`{0}` has no pyproject.toml and no package.json, and is no .py or .js file")]
    NoScript(PathBuf),
    /// The project has no files in its language.
    #[error("`{0}` has no source files")]
    Empty(PathBuf),
    /// A file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

impl Script {
    /// Reads a script: a project's directory, or a file. A project's files are those in its `src`, if
    /// it has one.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        const LANGUAGES: [Language; 2] = [Language::Python, Language::JavaScript];
        let stem = |path: &Path| {
            let stem = path.file_stem().unwrap_or_default();
            stem.to_string_lossy().into_owned()
        };
        if path.is_file() {
            let language = LANGUAGES.into_iter().find(|language| language.has(path));
            let language = language.ok_or_else(|| ScriptError::NoScript(path.to_owned()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            return Ok(Self {
                name: stem(path),
                language,
                files: vec![(name.into_owned(), text(path)?)],
            });
        }
        let language = LANGUAGES
            .into_iter()
            .find(|language| path.join(language.manifest()).is_file())
            .ok_or_else(|| ScriptError::NoScript(path.to_owned()))?;
        let source = Some(path.join("src")).filter(|source| source.is_dir());
        let mut files = Vec::new();
        collect(
            language,
            &source.unwrap_or_else(|| path.to_owned()),
            "",
            &mut files,
        )?;
        if files.is_empty() {
            return Err(ScriptError::Empty(path.to_owned()));
        }
        let absolute = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Ok(Self {
            name: stem(&absolute),
            language,
            files,
        })
    }

    /// Returns the arguments of the function [`IMAGE`](crate::IMAGE), as JSON.
    pub fn arguments(&self) -> String {
        serde_json::to_string(&self.files).expect("texts always encode")
    }
}

fn collect(
    language: Language,
    directory: &Path,
    prefix: &str,
    files: &mut Vec<(String, String)>,
) -> Result<(), ScriptError> {
    let unreadable = |source| ScriptError::Unreadable {
        path: directory.to_owned(),
        source,
    };
    let entries = fs::read_dir(directory).map_err(unreadable)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(unreadable)?;
    // The order of a directory's entries differs between machines; that of a module's tasks must not.
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if language.leaves_out(&name) {
            continue;
        }
        if path.is_dir() {
            collect(language, &path, &format!("{prefix}{name}/"), files)?;
        } else if language.has(&path) {
            files.push((format!("{prefix}{name}"), text(&path)?));
        }
    }
    Ok(())
}

fn text(path: &Path) -> Result<String, ScriptError> {
    fs::read_to_string(path).map_err(|source| ScriptError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_its_files_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        for path in [
            "pyproject.toml",
            "words/stats.py",
            "words/__init__.py",
            "words/test_stats.py",
            "tests/a.py",
            "venv/b.py",
            "notes.txt",
        ] {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let script = Script::read(directory.path()).unwrap();
        let names: Vec<_> = script.files.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["words/__init__.py", "words/stats.py"]);
        assert_eq!(script.language, Language::Python);

        let one = Script::read(&directory.path().join("words/stats.py")).unwrap();
        assert_eq!((&*one.name, one.files.len()), ("stats", 1));
        assert!(matches!(
            Script::read(&directory.path().join("notes.txt")),
            Err(ScriptError::NoScript(_))
        ));
        assert!(matches!(
            Script::read(&directory.path().join("words")),
            Err(ScriptError::NoScript(_))
        ));
    }
}
