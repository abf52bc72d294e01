//! Python and JavaScript: the packer of wxec's SDK for scripts joins an interpreter and the project's
//! sources to a module. It is called with the project's folder and the module's file, and finds the
//! command that runs modules here in the variable `WXEC`.

use std::env;

use crate::{
    BuildError,
    language::{
        assemblyscript::{dependencies, local_packages},
        project::Project,
        recipe::{Language, Output, Recipe},
        tool::{Tool, missing},
    },
};

pub(crate) const PYTHON: Language = Language {
    name: "python",
    aliases: &["py"],
    title: "Python",
    variables: VARIABLES,
    is_project: |folder| folder.join("pyproject.toml").is_file(),
    recipe: |project| pack(project, &PYTHON),
};

pub(crate) const JAVASCRIPT: Language = Language {
    name: "javascript",
    aliases: &["js"],
    title: "JavaScript",
    variables: VARIABLES,
    is_project: |folder| dependencies(folder).any(|(name, _)| name == "wxec"),
    recipe: |project| pack(project, &JAVASCRIPT),
};

const VARIABLES: &[&str] = &["WXEC_SCRIPTS"];

/// The packer.
const PACKER: &str = "wxec-scripts";

/// Advice for those who have no packer.
const ADVICE: &str = "install it beside wxec (`cargo install --path sdk/scripts` in wxec's source), or name it by WXEC_SCRIPTS";

/// Finds the packer: beside this program, or in `PATH`.
fn packer() -> Option<Tool> {
    let own = env::current_exe().ok();
    let beside = own.as_deref().map(|own| own.with_file_name(PACKER));
    Tool::given("WXEC_SCRIPTS")
        .or_else(|| Tool::found(&[beside.filter(|path| path.is_file())?.to_str()?]))
        .or_else(|| Tool::found(&[PACKER]))
}

fn pack(project: &Project, language: &Language) -> Result<Recipe, BuildError> {
    let packer = packer().ok_or_else(|| missing(language, PACKER, ADVICE))?;
    let module = project.module();
    let mut pack = packer.command(project);
    // A program that uses the library has no such command line.
    let own = env::current_exe()
        .ok()
        .filter(|own| own.file_name().is_some_and(|name| name == "wxec"));
    if let (Some(own), None) = (own, env::var_os("WXEC")) {
        pack.env("WXEC", own);
    }
    pack.arg(&project.folder)
        .arg(&module)
        .args(&project.settings.flags);
    let folder = project.folder.clone();
    Ok(Recipe {
        commands: vec![pack],
        output: Output::File(module),
        programs: vec![packer.program],
        outside: Box::new(move |watched| {
            watched.trees.extend(local_packages(&folder));
            Some(())
        }),
    })
}
