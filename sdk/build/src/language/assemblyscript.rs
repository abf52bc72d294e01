//! AssemblyScript: `asc`, by the project's own `asconfig.json`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    BuildError,
    language::{
        project::Project,
        recipe::{Language, Output, Recipe},
        tool::{Tool, missing},
    },
};

pub(crate) const ASSEMBLYSCRIPT: Language = Language {
    name: "assemblyscript",
    aliases: &["as"],
    title: "AssemblyScript",
    variables: &["WXEC_ASC"],
    is_project: |folder| dependencies(folder).any(|(name, _)| name == "assemblyscript"),
    recipe,
};

/// Advice for those who have no compiler.
const ADVICE: &str = "run `npm install` in the project, or name the compiler by WXEC_ASC";

/// The file that the compiler is given, unless the project's `asconfig.json` has entries.
const ENTRY: &str = "assembly/index.ts";

fn recipe(project: &Project) -> Result<Recipe, BuildError> {
    let asc = Tool::given("WXEC_ASC")
        .or_else(|| installed(&project.folder, "asc"))
        .or_else(|| Tool::found(&["asc"]))
        .ok_or_else(|| missing(&ASSEMBLYSCRIPT, "asc", ADVICE))?;
    let module = project.module();
    let mut build = asc.command(project);
    if !has_entries(&project.folder) {
        build.arg(ENTRY);
    }
    // The project may define targets; this is the compiler's own default for what is shipped.
    build
        .args(["--target", "release", "--outFile"])
        .arg(&module);
    build.args(&project.settings.flags);
    let folder = project.folder.clone();
    Ok(Recipe {
        commands: vec![build],
        output: Output::File(module),
        programs: vec![asc.program],
        outside: Box::new(move |watched| {
            watched.trees.extend(local_packages(&folder));
            Some(())
        }),
    })
}

/// Returns the program `name` of a package that is installed for the project: in its folder, or in
/// one above.
fn installed(folder: &Path, name: &str) -> Option<Tool> {
    let program = Path::new("node_modules/.bin").join(name);
    let mut programs = folder.ancestors().map(|folder| folder.join(&program));
    let program = programs.find(|program| program.is_file())?;
    Some(Tool {
        program,
        words: Vec::new(),
    })
}

/// Returns the dependencies in a project's `package.json`, each with its version or place.
pub(crate) fn dependencies(folder: &Path) -> impl Iterator<Item = (String, String)> + use<> {
    let text = fs::read(folder.join("package.json")).unwrap_or_default();
    let package: Value = serde_json::from_slice(&text).unwrap_or_default();
    let lists = ["dependencies", "devDependencies"];
    let lists = lists.map(|list| package[list].as_object().cloned().unwrap_or_default());
    let entry = |(name, version): (String, Value)| {
        let version = version.as_str().unwrap_or_default().to_owned();
        (name, version)
    };
    lists.into_iter().flatten().map(entry)
}

/// Returns the folders of dependencies that are on this machine.
pub(crate) fn local_packages(folder: &Path) -> Vec<PathBuf> {
    let local = |(_, place): (String, String)| Some(folder.join(place.strip_prefix("file:")?));
    dependencies(folder)
        .filter_map(local)
        .filter(|path| path.is_dir())
        .collect()
}

fn has_entries(folder: &Path) -> bool {
    let text = fs::read(folder.join("asconfig.json")).unwrap_or_default();
    let config: Value = serde_json::from_slice(&text).unwrap_or_default();
    config["entries"]
        .as_array()
        .is_some_and(|entries| !entries.is_empty())
}
