//! A project in another language than Rust: its folder, and the place of what is built of it.

use std::{
    fs,
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{BuildError, cargo::environment::clean, language::settings::Settings};

/// The folder of a project for all that wxec builds of it.
const BUILT: &str = ".wxec";

/// Folders that have sources, also where a command leaves its module there.
const SOURCES: [&str; 4] = ["src", "include", "lib", "assembly"];

/// Folders of tools and editors, which are no sources.
const NO_SOURCES: [&str; 8] = [
    BUILT,
    ".git",
    ".venv",
    ".zig-cache",
    "__pycache__",
    "node_modules",
    "zig-out",
    "zig-pkg",
];

/// A project.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) folder: PathBuf,
    /// The name of its folder.
    pub(crate) name: String,
    pub(crate) settings: Settings,
}

impl Project {
    pub(crate) fn new(folder: &Path, settings: Settings) -> Self {
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        Self {
            folder: folder.into(),
            name: name.to_string_lossy().into_owned(),
            settings,
        }
    }

    /// Returns the folder for what is built.
    pub(crate) fn built(&self) -> PathBuf {
        self.folder.join(BUILT)
    }

    /// Returns the place for the module, where the tool does not choose another.
    pub(crate) fn module(&self) -> PathBuf {
        self.built().join(format!("{}.wasm", self.name))
    }

    /// Makes the folder for what is built, which git is to ignore.
    pub(crate) fn make_room(&self) -> Result<(), BuildError> {
        let built = self.built();
        let ignored = built.join(".gitignore");
        if ignored.exists() {
            return Ok(());
        }
        fs::create_dir_all(&built).map_err(BuildError::io("create", &built))?;
        fs::write(&ignored, "*\n").map_err(BuildError::io("write", &ignored))
    }

    /// Returns what is no source: the names of folders of tools, and the path of what the project's own
    /// command leaves.
    pub(crate) fn no_sources(&self) -> impl Iterator<Item = String> {
        let output = self.settings.output.as_deref().map(|output| {
            let output: PathBuf = output
                .components()
                .filter(|part| *part != Component::CurDir)
                .collect();
            // All that is beside the module comes from the command, unless sources are there as well.
            match output.iter().next() {
                Some(first) if !SOURCES.iter().any(|sources| first == *sources) => first.into(),
                _ => output,
            }
        });
        let output = output.map(|output| self.folder.join(output).to_string_lossy().into_owned());
        NO_SOURCES.into_iter().map(Into::into).chain(output)
    }

    /// Returns a command that runs `program` in the folder of the project.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        clean(&mut command);
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }
}
