//! Go, from 1.24 on: `go build` of the package in the project's folder.

use std::path::PathBuf;

use crate::{
    BuildError,
    language::{
        project::Project,
        recipe::{Language, Output, Recipe},
        tool::{Tool, missing},
    },
};

pub(crate) const GO: Language = Language {
    name: "go",
    aliases: &["golang"],
    title: "Go",
    variables: &["WXEC_GO", "GOFLAGS", "GOROOT"],
    is_project: |folder| folder.join("go.mod").is_file(),
    recipe,
};

/// Advice for those who have no Go.
const ADVICE: &str = "install Go 1.24 or later (https://go.dev/dl), or name it by WXEC_GO";

/// Names the folders of all packages that a program is made of, except those of Go itself.
const OWN_FOLDERS: &str = "{{if not .Standard}}{{.Dir}}{{end}}";

fn recipe(project: &Project) -> Result<Recipe, BuildError> {
    let go = Tool::given("WXEC_GO")
        .or_else(|| Tool::found(&["go"]))
        .ok_or_else(|| missing(&GO, "go", ADVICE))?;
    let module = project.module();
    let mut build = for_modules(go.command(project));
    // A `main` that only registers tasks is a library here.
    build.args([
        "build",
        "-buildmode=c-shared",
        "-trimpath",
        "-ldflags=-s -w",
        "-o",
    ]);
    build.arg(&module).args(&project.settings.flags).arg(".");

    let mut list = for_modules(go.command(project));
    list.args(["list", "-deps", "-f", OWN_FOLDERS, "."]);
    let list = std::cell::RefCell::new(list);
    Ok(Recipe {
        commands: vec![build],
        output: Output::File(module),
        programs: vec![go.program],
        outside: Box::new(move |watched| {
            let listed = list.borrow_mut().output().ok()?;
            let folders = String::from_utf8(listed.stdout).ok()?;
            listed.status.success().then_some(())?;
            watched.trees.extend(
                folders
                    .lines()
                    .filter(|line| !line.is_empty())
                    .map(PathBuf::from),
            );
            Some(())
        }),
    })
}

/// Makes a command work for modules, by the Go that is there: one that a project asks for would be
/// downloaded.
fn for_modules(mut go: std::process::Command) -> std::process::Command {
    go.envs([
        ("GOOS", "wasip1"),
        ("GOARCH", "wasm"),
        ("GOTOOLCHAIN", "local"),
    ]);
    go
}
