//! Embeds what `wxec new` writes: the files of projects, and the SDKs that are a part of them.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Names in an SDK that a project does not need: its tests, and what tools leave.
const LEFT_OUT: [&str; 14] = [
    ".zig-cache",
    "Makefile",
    "build",
    "conformance",
    "node_modules",
    "package-lock.json",
    "test",
    "tests",
    "wxec.mk",
    "wxec.pc.in",
    "zig-out",
    "zig-pkg",
    "target",
    "__pycache__",
];

fn main() -> io::Result<()> {
    let mut code = String::new();
    for (name, folder) in [("TEMPLATES", "src/new/templates"), ("SDKS", "src/new/sdk")] {
        println!("cargo::rerun-if-changed={folder}");
        code.push_str(&format!("pub(super) const {name}: &[Files] = &[\n"));
        for folder in entries(&env::current_dir()?.join(folder))? {
            let mut files = Vec::new();
            // The link to an SDK that is not there leads nowhere.
            if folder.is_dir() {
                list(&folder, name == "SDKS", &mut files)?;
            }
            code.push_str(&format!("({:?}, &[\n", last(&folder)));
            for file in files {
                let path = file.strip_prefix(&folder).expect("it is in the folder");
                code.push_str(&format!("({path:?}, include_str!({file:?})),\n"));
            }
            code.push_str("]),\n");
        }
        code.push_str("];\n");
    }
    let out = env::var_os("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("projects.rs"), code)
}

/// Adds the files below a folder.
fn list(folder: &Path, is_sdk: bool, files: &mut Vec<PathBuf>) -> io::Result<()> {
    // Follows the links to SDKs.
    println!(
        "cargo::rerun-if-changed={}",
        fs::canonicalize(folder)?.display()
    );
    for path in entries(folder)? {
        let name = last(&path);
        let is_test = name.ends_with("_test.go") || name.ends_with(".wasm");
        // A template may have a `.gitignore`.
        let is_hidden = name.starts_with('.');
        if is_sdk && (is_test || is_hidden || LEFT_OUT.contains(&&*name)) {
            continue;
        }
        if path.is_dir() {
            list(&path, is_sdk, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn last(path: &Path) -> String {
    let name = path.file_name().expect("an entry has a name");
    name.to_string_lossy().into_owned()
}

/// Returns the entries of a folder in alphabetical order.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
