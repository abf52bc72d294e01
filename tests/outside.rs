//! Packages outside of this workspace, as users have them: built by their own cargo, from a file or
//! two.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A package that stays where it is between runs of its test, because its first build takes a
/// while.
struct Package {
    name: &'static str,
    directory: PathBuf,
}

impl Package {
    fn new(name: &'static str, dependencies: &str, files: &[(&str, &str)]) -> Self {
        let package = Self {
            name,
            directory: place().join(name),
        };
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [dependencies]\nwxec = {{ path = \"{top}/sdk/wxec\" }}\n{dependencies}\n\n[workspace]\n",
            top = top().display(),
        );
        package.write(
            "Cargo.toml",
            &manifest.replace("{top}", &top().display().to_string()),
        );
        // With the versions that this test was compiled with, no dependency is missing.
        fs::copy(
            top().join("Cargo.lock"),
            package.directory.join("Cargo.lock"),
        )
        .unwrap();
        files
            .iter()
            .for_each(|(name, text)| package.write(name, text));
        package
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.join(name);
        // An unchanged file keeps its time, so that an unchanged package is fresh.
        if fs::read_to_string(&path).ok().as_deref() != Some(text) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    /// Builds it and returns its program.
    #[track_caller]
    fn build(&self) -> PathBuf {
        self.build_with(&[])
    }

    #[track_caller]
    fn build_with(&self, options: &[&str]) -> PathBuf {
        let target = place().join("target");
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--offline", "--quiet"])
            .args(options)
            .arg("--target-dir")
            .arg(&target);
        cargo.current_dir(&self.directory);
        cargo
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        printed(&cargo.output().unwrap());
        target.join("debug").join(self.name)
    }
}

fn place() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside")
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[track_caller]
fn printed(output: &Output) -> String {
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stdout}{stderr}");
    stdout.into_owned()
}

#[test]
fn every_public_name_can_be_imported_beside_a_task() {
    let names = names::all();
    assert!(
        names.len() > 80
            && names.contains("transfer::TransferOptions")
            && names.contains("here::Facts"),
        "{names:?}"
    );
    let imports: String = names
        .iter()
        .map(|name| format!("use wxec::{name} as _{};\n", name.replace("::", "_")))
        .collect();
    let main = NAMES.replace("// imports", &imports);
    let program = Package::new("names", "", &[("src/main.rs", &main)]).build();
    assert_eq!(printed(&Command::new(program).output().unwrap()), "3\n");
}

/// The module is compiled when the task is called.
const NAMES: &str = r#"
#![allow(unused_imports)]
// imports
#[wxec::remote]
fn three() -> u8 {
    3
}

#[wxec::main]
fn main() -> wxec::Result<()> {
    println!("{}", three::on(&wxec::Host::new("local:")?).wait()?);
    Ok(())
}
"#;

/// The public names of `wxec`, as its source has them: a list written here would miss the next one.
mod names {
    use std::collections::BTreeSet;

    use super::{fs, top};

    /// The names of the root, and those of its modules as paths.
    pub(super) fn all() -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for file in ["lib.rs", "native.rs"] {
            let text = fs::read_to_string(source(file)).unwrap();
            let items = syn::parse_file(&text).unwrap().items;
            // The root re-exports some names of the native side, and its public modules.
            let items: Vec<_> = items
                .into_iter()
                .filter(|item| file == "lib.rs" || matches!(item, syn::Item::Mod(_)))
                .collect();
            of_items(&items, "", &mut names);
        }
        names
    }

    fn source(file: &str) -> std::path::PathBuf {
        top().join("sdk/wxec/src").join(file)
    }

    fn of_items(items: &[syn::Item], module: &str, names: &mut BTreeSet<String>) {
        let mut add = |name: &syn::Ident| _ = names.insert(format!("{module}{name}"));
        for item in items {
            match item {
                syn::Item::Use(item) if is_public(&item.vis) => of_tree(&item.tree, &mut add),
                syn::Item::Fn(item) if is_public(&item.vis) => add(&item.sig.ident),
                syn::Item::Struct(item) if is_public(&item.vis) => add(&item.ident),
                syn::Item::Enum(item) if is_public(&item.vis) => add(&item.ident),
                syn::Item::Macro(item) if item.mac.path.is_ident("controlling") => {
                    let list = item.mac.tokens.to_string();
                    of_list(&list).for_each(|name| add(&syn::parse_str(&name).unwrap()));
                }
                _ => {}
            }
        }
        for item in items {
            let syn::Item::Mod(item) = item else { continue };
            // `__private` is for the macros' output only.
            if is_public(&item.vis) && item.ident != "__private" {
                names.insert(format!("{module}{}", item.ident));
                let items = &item
                    .content
                    .as_ref()
                    .expect("modules of these files stand in them")
                    .1;
                of_items(items, &format!("{module}{}::", item.ident), names);
            }
        }
    }

    fn of_tree(tree: &syn::UseTree, add: &mut impl FnMut(&syn::Ident)) {
        match tree {
            syn::UseTree::Path(path) => of_tree(&path.tree, add),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| of_tree(tree, add)),
            syn::UseTree::Name(name) => add(&name.ident),
            syn::UseTree::Rename(name) => add(&name.rename),
            // The side that is compiled, whose file is read by itself.
            syn::UseTree::Glob(_) => {}
        }
    }

    /// The words behind `types:`, `functions:` and `constants:`, however the tokens are spaced.
    fn of_list(text: &str) -> impl Iterator<Item = String> {
        let text = text.replace(" :", ":");
        let lists = ["types:", "functions:", "constants:"]
            .into_iter()
            .flat_map(|kind| {
                text.split(kind)
                    .skip(1)
                    .map(String::from)
                    .collect::<Vec<_>>()
            });
        lists
            .flat_map(|rest| {
                let list = rest.split(';').next().unwrap_or_default();
                list.split_whitespace()
                    .map(String::from)
                    .collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn is_public(visibility: &syn::Visibility) -> bool {
        matches!(visibility, syn::Visibility::Public(_))
    }
}

#[test]
fn tasks_stand_beside_main_in_one_file() {
    let single = Package::new(
        "single",
        "\n[features]\nextra = []",
        &[("src/main.rs", SINGLE)],
    );
    let said = |program| printed(&Command::new(program).output().unwrap());
    let expected = "here: 2\nthere: 2\nhost: true, guest: false\n";
    assert_eq!(said(single.build()), expected);
    // A module that is built when its task is called has the package's default features only.
    let line = SINGLE
        .lines()
        .position(|line| line == "fn extra() {}")
        .unwrap()
        + 1;
    let hint = format!(
        "`extra` (src/main.rs:{line}) is compiled only with feature `extra`; a module has the program's features if \
         build.rs calls `wxec_build::embed()`\n"
    );
    assert_eq!(
        said(single.build_with(&["--features", "extra"])),
        format!("{expected}{hint}")
    );
}

const SINGLE: &str = r#"
use wxec::{Host, remote};

/// Counts the words of a text.
#[remote]
fn count(text: String) -> usize {
    text.split_whitespace().count()
}

#[cfg(feature = "extra")]
#[remote]
fn extra() {}

/// Returns true if it runs in the program itself.
#[remote]
fn is_host() -> bool {
    !cfg!(target_family = "wasm")
}

#[wxec::main]
fn main() -> wxec::Result<()> {
    let host = Host::new("local:")?;
    println!("here: {}", count("to be".into()));
    println!("there: {}", count::on(&host, "to be".into()).wait()?);
    println!("host: {}, guest: {}", is_host(), is_host::on(&host).wait()?);
    #[cfg(feature = "extra")]
    println!("{}", extra::on(&host).wait().unwrap_err().hint().unwrap());
    Ok(())
}
"#;

#[test]
fn a_program_that_carries_its_module_needs_neither_cargo_nor_its_source() {
    let build = "[build-dependencies]\nwxec-build = { path = \"{top}/sdk/build\" }";
    let shipped = Package::new(
        "shipped",
        build,
        &[
            ("build.rs", "fn main() { wxec_build::embed(); }"),
            ("src/lib.rs", LIBRARY),
            ("src/main.rs", SHIPPED),
        ],
    );
    let program = shipped.build();
    let manifest = shipped.directory.join("Cargo.toml");
    fs::rename(&manifest, manifest.with_extension("away")).unwrap();

    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", elsewhere.path())
        .current_dir(elsewhere.path());
    // The agent and the compiler were built before, and are found there.
    command.envs(
        ["HOME", "XDG_CACHE_HOME", "WXEC_CACHE"]
            .into_iter()
            .filter_map(|name| Some((name, env::var_os(name)?))),
    );
    let output = command.output();

    fs::rename(manifest.with_extension("away"), manifest).unwrap();
    assert_eq!(printed(&output.unwrap()), "there: 2\n");
}

const LIBRARY: &str = r#"
/// Counts the words of a text.
#[wxec::remote]
pub fn count(text: String) -> usize {
    text.split_whitespace().count()
}
"#;

const SHIPPED: &str = r#"
fn main() -> wxec::Result<()> {
    let host = wxec::Host::new("local:")?;
    println!("there: {}", shipped::count::on(&host, "to be".into()).wait()?);
    Ok(())
}
"#;
