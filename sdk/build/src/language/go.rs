//! Go, from 1.24 on: the tool of wxec's SDK, if the project has it, which writes exports and records
//! of tasks, or else `go build` of the package in the project's folder.

use std::{cell::RefCell, fs, path::PathBuf, process::Command};

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

/// The SDK's tool, by the last part of its path.
const SDK_TOOL: &str = "wxecbuild";

/// Names the folders of all packages that a program is made of, except those of Go itself.
const OWN_FOLDERS: &str = "{{if not .Standard}}{{.Dir}}{{end}}";

fn recipe(project: &Project) -> Result<Recipe, BuildError> {
    let go = Tool::given("WXEC_GO")
        .or_else(|| Tool::found(&["go"]))
        .ok_or_else(|| missing(&GO, "go", ADVICE))?;
    let module = project.module();
    let mut build = for_modules(go.command(project));
    if has_sdk_tool(project) {
        build.args(["tool", SDK_TOOL, "-o"]);
        // It runs on this machine, and chooses the target of what it builds itself.
        build.env_remove("GOOS").env_remove("GOARCH");
    } else {
        // A `main` that only has exports is a library here.
        build.args([
            "build",
            "-buildmode=c-shared",
            "-trimpath",
            "-ldflags=-s -w",
            "-o",
        ]);
    }
    build.arg(&module).args(&project.settings.flags).arg(".");

    let mut list = for_modules(go.command(project));
    list.args(["list", "-deps", "-f", OWN_FOLDERS]);
    if !has_sdk_tool(project) {
        // Tags decide what is built.
        list.args(&project.settings.flags);
    }
    list.arg(".");
    let list = RefCell::new(list);
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

/// Returns true if the project's `go.mod` has the SDK's tool.
fn has_sdk_tool(project: &Project) -> bool {
    let manifest = fs::read_to_string(project.folder.join("go.mod")).unwrap_or_default();
    let mut lines = manifest
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.any(|line| line.trim_end().ends_with(&format!("/{SDK_TOOL}")))
}

/// Makes a command work for modules, by the Go that is there: one that a project asks for would be
/// downloaded.
fn for_modules(mut go: Command) -> Command {
    go.envs([
        ("GOOS", "wasip1"),
        ("GOARCH", "wasm"),
        ("GOTOOLCHAIN", "local"),
    ]);
    go
}
