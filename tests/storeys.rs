//! Storeys: `lib.rs` or `main.rs` of these crates lists its modules from the bottom up, and a module
//! uses only those above it in that list.

mod circles;

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use syn::visit::Visit;

/// A crate, and the modules of it that may use each other.
const CRATES: [(&str, &[&str]); 10] = [
    ("runtime/protocol", &[]),
    ("runtime/files", &[]),
    ("runtime/agent", &[]),
    ("runtime/controller", &[]),
    ("runtime/fleet", &[]),
    ("sdk/abi", &[]),
    ("sdk/build", &[]),
    ("sdk/plan", &[]),
    ("cli", &[]),
    // wasmtime's store data holds the state of both other modules: see the crate's lib.rs.
    ("runtime/engine", &["wasi", "hostcalls", "call"]),
];

#[test]
fn a_module_uses_only_those_below_it() {
    for (name, circle) in CRATES {
        let source = source(name);
        let mut lib = Lib::read(&root(&source));
        lib.add_macros(&source);
        let mut arrows = 0;
        for (storey, module) in lib.modules.iter().enumerate() {
            for (file, used) in uses_of(&source, module) {
                let Some(below) = lib.storey_of(&used) else {
                    panic!("{name}: {}: `crate::{used}` is unknown", file.display());
                };
                arrows += usize::from(below != storey);
                let in_circle = [storey, below]
                    .iter()
                    .all(|storey| circle.contains(&&*lib.modules[*storey]));
                assert!(
                    below <= storey || in_circle,
                    "{name}: {} uses `crate::{used}`, which is above it",
                    file.display()
                );
            }
        }
        assert!(arrows > 5, "{name}: only {arrows} were found");
    }
}

/// Returns the folder with the files of a crate.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(name)
        .join("src")
}

/// Returns the file that lists the modules of a crate.
fn root(source: &Path) -> PathBuf {
    let lib = source.join("lib.rs");
    if lib.exists() {
        lib
    } else {
        source.join("main.rs")
    }
}

/// The modules of a crate in their order, and the names that its root exports from them.
struct Lib {
    modules: Vec<String>,
    exported: HashMap<String, String>,
}

impl Lib {
    fn read(path: &Path) -> Self {
        let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
        let (mut modules, mut exported) = (Vec::new(), HashMap::new());
        for item in &file.items {
            match item {
                syn::Item::Mod(item) if item.content.is_none() && !is_test(&item.attrs) => {
                    modules.push(item.ident.to_string())
                }
                syn::Item::Use(item) => {
                    for path in paths(&item.tree) {
                        exported.insert(path.last().unwrap().clone(), path[0].clone());
                    }
                }
                // A constant of the root itself, such as the build's name, is below all.
                syn::Item::Const(item) => {
                    exported.insert(item.ident.to_string(), String::new());
                }
                _ => {}
            }
        }
        Self { modules, exported }
    }

    /// Adds the macros that modules export: they stand at the root, wherever they are written.
    fn add_macros(&mut self, source: &Path) {
        for module in &self.modules {
            for file in files_of(source, module) {
                let file = syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap();
                for item in file.items {
                    if let syn::Item::Macro(item) = item
                        && item
                            .attrs
                            .iter()
                            .any(|it| it.path().is_ident("macro_export"))
                        && let Some(name) = item.ident
                    {
                        self.exported.insert(name.to_string(), module.clone());
                    }
                }
            }
        }
    }

    fn storey_of(&self, name: &str) -> Option<usize> {
        let module = self.exported.get(name).map_or(name, String::as_str);
        if module.is_empty() {
            return Some(0);
        }
        self.modules.iter().position(|known| known == module)
    }
}

/// Returns the first words behind `crate::` in the files of a module, but for its tests.
fn uses_of(source: &Path, module: &str) -> BTreeSet<(PathBuf, String)> {
    let mut uses = BTreeSet::new();
    for file in files_of(source, module) {
        let mut found = Found::default();
        found.visit_file(&syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap());
        uses.extend(found.0.into_iter().map(|name| (file.clone(), name)));
    }
    uses
}

/// Returns the files of a module, but for those of its tests.
fn files_of(source: &Path, module: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let (file, folder) = (source.join(format!("{module}.rs")), source.join(module));
    if file.exists() {
        files.push(file);
    }
    list(&folder, &mut files);
    assert!(!files.is_empty(), "{} is nowhere", folder.display());
    files
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_name().is_some_and(|name| name != "tests.rs")
        {
            files.push(path);
        }
    }
}

#[derive(Default)]
struct Found(BTreeSet<String>);

impl<'a> Visit<'a> for Found {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_test(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        for path in paths(&item.tree) {
            if path[0] == "crate" {
                self.0.insert(path[1].clone());
            }
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let mut segments = path.segments.iter();
        if let (Some(first), Some(second)) = (segments.next(), segments.next())
            && first.ident == "crate"
        {
            self.0.insert(second.ident.to_string());
        }
        syn::visit::visit_path(self, path);
    }
}

/// Returns true for what is compiled for tests only.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        matches!(&attribute.meta, syn::Meta::List(list)
            if list.path.is_ident("cfg") && list.tokens.to_string() == "test")
    })
}

/// Returns each path of a `use`, as its words.
fn paths(tree: &syn::UseTree) -> Vec<Vec<String>> {
    let below = |name: &syn::Ident, trees: Vec<Vec<String>>| {
        trees
            .into_iter()
            .map(|mut path| {
                path.insert(0, name.to_string());
                path
            })
            .collect()
    };
    match tree {
        syn::UseTree::Path(path) => below(&path.ident, paths(&path.tree)),
        syn::UseTree::Name(name) => vec![vec![name.ident.to_string()]],
        syn::UseTree::Rename(name) => vec![vec![name.ident.to_string()]],
        syn::UseTree::Glob(_) => vec![vec!["*".into()]],
        syn::UseTree::Group(group) => group.items.iter().flat_map(paths).collect(),
    }
}
