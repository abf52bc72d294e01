//! Zig: `zig build`, by the project's own `build.zig`.

use std::path::Path;

use crate::{
    BuildError,
    language::{
        project::Project,
        recipe::{Language, Output, Recipe},
        tool::{Tool, missing},
    },
    module::fresh::Watched,
};

pub(crate) const ZIG: Language = Language {
    name: "zig",
    aliases: &[],
    title: "Zig",
    variables: &["WXEC_ZIG"],
    is_project: |folder| folder.join("build.zig").is_file(),
    recipe,
};

/// Advice for those who have no Zig.
const ADVICE: &str =
    "install Zig (https://ziglang.org, or `pip install ziglang`), or name it by WXEC_ZIG";

/// Finds Zig, as itself or as the package of Python.
pub(crate) fn zig(project: &Project) -> Option<Tool> {
    Tool::given("WXEC_ZIG")
        .or_else(|| Tool::found(&["zig"]))
        .or_else(|| Tool::found(&["python-zig"]))
        .or_else(|| {
            let python = Tool::found(&["python3", "-m", "ziglang"])?;
            python.answer(project, &["version"]).map(|_| python)
        })
}

fn recipe(project: &Project) -> Result<Recipe, BuildError> {
    let zig = zig(project).ok_or_else(|| missing(&ZIG, "zig", ADVICE))?;
    let built = project.built().join("zig");
    let mut build = zig.command(project);
    // A project that chooses no mode of its own is small, and has its checks.
    build.args(["build", "--release=small", "--color", "off", "--prefix"]);
    build
        .arg(&built)
        .arg("--cache-dir")
        .arg(project.built().join("zig-cache"));
    build.args(&project.settings.flags);
    // A module of an earlier name would stay beside the new one.
    let _ = std::fs::remove_dir_all(built.join("bin"));
    let manifest = project.folder.join("build.zig.zon");
    Ok(Recipe {
        commands: vec![build],
        output: Output::In(built.join("bin")),
        programs: vec![zig.program],
        outside: Box::new(move |watched| {
            watch_dependencies(&manifest, watched);
            Some(())
        }),
    })
}

/// Watches the dependencies that the manifest has by path. All others are named by the digest of
/// what is in them.
fn watch_dependencies(manifest: &Path, watched: &mut Watched) {
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    let folder = manifest.parent().unwrap_or(manifest);
    watched.trees.extend(
        paths(&text)
            .map(|path| folder.join(path))
            .filter(|path| path.is_dir()),
    );
}

/// Returns what is behind each `.path =` of a manifest.
fn paths(manifest: &str) -> impl Iterator<Item = &str> {
    manifest.split(".path").skip(1).filter_map(|rest| {
        let value = rest.trim_start().strip_prefix('=')?;
        value.trim_start().strip_prefix('"')?.split('"').next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_by_path_are_found_in_the_manifest() {
        let manifest = r#".{
            .name = .words,
            .dependencies = .{ .wxec = .{ .path = "../../sdk/zig" }, .other = .{ .url = "https://x", .hash = "1" } },
            .paths = .{ "build.zig", "src" },
        }"#;
        assert_eq!(paths(manifest).collect::<Vec<_>>(), ["../../sdk/zig"]);
    }
}
