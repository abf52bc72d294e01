//! Python and JavaScript: a packer, which comes with the language's SDK, joins an interpreter and the
//! project's sources to a module. It is called with the project's folder and the module's file.

use std::path::Path;

use crate::{
    BuildError,
    language::{
        assemblyscript::{dependencies, installed, local_packages},
        project::Project,
        recipe::{Language, Output, Recipe},
        tool::{Tool, missing},
    },
};

pub(crate) const PYTHON: Language = Language {
    name: "python",
    aliases: &["py"],
    title: "Python",
    variables: &["WXEC_PYTHON", "PYTHONPATH"],
    is_project: |folder| folder.join("pyproject.toml").is_file(),
    recipe: |project| {
        let packer = Tool::given("WXEC_PYTHON")
            .or_else(|| vendored(&project.folder))
            .or_else(|| Tool::found(&["wxec-python"]));
        pack(
            project,
            packer.ok_or_else(|| missing(&PYTHON, "wxec-python", PYTHON_ADVICE))?,
        )
    },
};

pub(crate) const JAVASCRIPT: Language = Language {
    name: "javascript",
    aliases: &["js"],
    title: "JavaScript",
    variables: &["WXEC_JAVASCRIPT"],
    is_project: |folder| dependencies(folder).any(|(name, _)| name == "wxec"),
    recipe: |project| {
        let packer = Tool::given("WXEC_JAVASCRIPT")
            .or_else(|| installed(&project.folder, "wxec-javascript"))
            .or_else(|| Tool::found(&["wxec-javascript"]));
        let packer =
            packer.ok_or_else(|| missing(&JAVASCRIPT, "wxec-javascript", JAVASCRIPT_ADVICE))?;
        pack(project, packer)
    },
};

const PYTHON_ADVICE: &str =
    "install wxec's SDK for Python with `pip`, or name its packer by WXEC_PYTHON";

const JAVASCRIPT_ADVICE: &str =
    "run `npm install` in the project, or name the packer of wxec's SDK by WXEC_JAVASCRIPT";

/// Returns the packer of an SDK that is a part of the project.
fn vendored(folder: &Path) -> Option<Tool> {
    let packer = folder.join("wxec/pack.py");
    let python = Tool::found(&["python3"]).filter(|_| packer.is_file())?;
    Some(Tool {
        words: vec![packer.into()],
        ..python
    })
}

fn pack(project: &Project, packer: Tool) -> Result<Recipe, BuildError> {
    let module = project.module();
    let mut pack = packer.command(project);
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
