//! Languages as a table has them, and the recipe by which a project of one is built.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{BuildError, language::project::Project, module::fresh::Watched};

/// A language: how its projects are known, and how they are built.
pub(crate) struct Language {
    /// Name in settings and options.
    pub(crate) name: &'static str,
    /// Other names for it there.
    pub(crate) aliases: &'static [&'static str],
    /// Name in messages.
    pub(crate) title: &'static str,
    /// Variables that change what is built: those that name tools.
    pub(crate) variables: &'static [&'static str],
    /// Returns true for the folder of such a project.
    pub(crate) is_project: fn(&Path) -> bool,
    /// Finds the tools.
    pub(crate) recipe: fn(&Project) -> Result<Recipe, BuildError>,
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The steps of a build.
pub(crate) struct Recipe {
    /// They run one after the other, each if those before it succeeded.
    pub(crate) commands: Vec<Command>,
    pub(crate) output: Output,
    /// The tools, whose change is a change of the module.
    pub(crate) programs: Vec<PathBuf>,
    /// Tells what was used from outside of the project's folder, once it is built.
    pub(crate) outside: Outside,
}

/// Adds files and trees outside of the project. Returns `None` if it cannot be told; the next build
/// then does not rely on this one.
pub(crate) type Outside = Box<dyn Fn(&mut Watched) -> Option<()>>;

/// Returns what a tool uses that reads nothing outside of the project.
pub(crate) fn nothing_outside() -> Outside {
    Box::new(|_| Some(()))
}

/// The place of the module.
#[derive(Debug)]
pub(crate) enum Output {
    File(PathBuf),
    /// The only module in a folder, whose name the project chooses.
    In(PathBuf),
}

impl Output {
    /// Returns the module's file.
    pub(crate) fn find(&self, project: &Project) -> Result<PathBuf, BuildError> {
        let missing = |problem: String| BuildError::NoModule {
            project: project.name.clone(),
            problem,
        };
        match self {
            Self::File(path) if path.is_file() => Ok(path.clone()),
            Self::File(path) => Err(missing(format!("there is no {}", path.display()))),
            Self::In(folder) => {
                let entries = fs::read_dir(folder).into_iter().flatten().flatten();
                let is_module = |path: &PathBuf| {
                    path.extension()
                        .is_some_and(|extension| extension == "wasm")
                };
                let modules = entries.map(|entry| entry.path()).filter(is_module);
                match &*modules.collect::<Vec<_>>() {
                    [module] => Ok(module.clone()),
                    [] => Err(missing(format!("there is none in {}", folder.display()))),
                    _ => Err(missing(format!(
                        "there are several in {}",
                        folder.display()
                    ))),
                }
            }
        }
    }
}
