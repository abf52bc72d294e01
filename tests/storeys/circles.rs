//! Circles between files. These crates have none: a file can be read once all files that it uses
//! have been read.
//!
//! A path counts for the file that has its item, through any re-exports; a re-export alone is no
//! use. Tests may use anything.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use syn::visit::Visit;

use super::is_test;

const CRATES: [&str; 3] = ["runtime/protocol", "sdk/build", "cli"];

/// Longest chain of re-exports that is followed: an import may name itself.
const MAX_IMPORTS: usize = 16;

#[test]
fn no_files_use_each_other() {
    for name in CRATES {
        let source = super::source(name);
        let tree = Tree::read(&source);
        let arrows = tree.arrows();
        assert!(
            arrows.len() > 30,
            "{name}: only {} were found",
            arrows.len()
        );
        let circle = circle(arrows);
        let shown: Vec<_> = circle
            .iter()
            .map(|(from, to)| {
                let short = |path: &Path| path.strip_prefix(&source).unwrap().display().to_string();
                format!("{} uses {}", short(from), short(to))
            })
            .collect();
        assert!(circle.is_empty(), "{name}: a circle\n{}", shown.join("\n"));
    }
}

/// A file, and a file that it uses.
type Arrow = (PathBuf, PathBuf);

/// Returns the arrows that are left when files are taken away that use no other, or that no other
/// uses.
fn circle(mut arrows: BTreeSet<Arrow>) -> BTreeSet<Arrow> {
    loop {
        let users: BTreeSet<_> = arrows.iter().map(|(from, _)| from.clone()).collect();
        let used: BTreeSet<_> = arrows.iter().map(|(_, to)| to.clone()).collect();
        let before = arrows.len();
        arrows.retain(|(from, to)| users.contains(to) && used.contains(from));
        if arrows.len() == before {
            return arrows;
        }
    }
}

/// The modules of a crate; the first is its root.
#[derive(Default)]
struct Tree(Vec<Module>);

struct Module {
    file: PathBuf,
    parent: usize,
    children: HashMap<String, usize>,
    /// Names from elsewhere, and the paths that they stand for.
    imports: HashMap<String, Vec<String>>,
    /// All paths in the code.
    uses: Vec<Vec<String>>,
}

impl Tree {
    fn read(source: &Path) -> Self {
        let mut tree = Self::default();
        tree.add_file(0, super::root(source), source);
        tree
    }

    fn add_file(&mut self, parent: usize, file: PathBuf, folder: &Path) -> usize {
        let items = syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap();
        self.add(parent, file, folder, &items.items)
    }

    /// Adds a module with those in it, whose files are in `folder`.
    fn add(&mut self, parent: usize, file: PathBuf, folder: &Path, items: &[syn::Item]) -> usize {
        let mut code = Code::default();
        items.iter().for_each(|item| code.visit_item(item));
        let this = self.0.len();
        self.0.push(Module {
            file: file.clone(),
            parent,
            children: HashMap::new(),
            imports: code.imports,
            uses: code.uses,
        });
        for module in code.modules {
            let name = module.ident.to_string();
            let below = folder.join(&name);
            let child = match &module.content {
                Some((_, items)) => self.add(this, file.clone(), &below, items),
                None => {
                    let beside = folder.join(format!("{name}.rs"));
                    let inside = below.join("mod.rs");
                    let file = if beside.exists() { beside } else { inside };
                    self.add_file(this, file, &below)
                }
            };
            self.0[this].children.insert(name, child);
        }
        this
    }

    fn arrows(&self) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for (at, module) in self.0.iter().enumerate() {
            for path in &module.uses {
                if let Some(used) = self.resolve(at, path, 0)
                    && self.0[used].file != module.file
                {
                    arrows.insert((module.file.clone(), self.0[used].file.clone()));
                }
            }
        }
        arrows
    }

    /// Returns the module that has the item at `path`, as seen from the module `from`. Returns
    /// `None` for a path into another crate, and for one that ends with a module.
    fn resolve(&self, from: usize, path: &[String], imports: usize) -> Option<usize> {
        let mut at = from;
        for (index, name) in path.iter().enumerate() {
            let module = &self.0[at];
            if let Some(child) = module.children.get(name) {
                at = *child;
            } else if let Some(import) = module.imports.get(name) {
                let whole = [import.as_slice(), &path[index + 1..]].concat();
                return (imports < MAX_IMPORTS)
                    .then(|| self.resolve(at, &whole, imports + 1))
                    .flatten();
            } else {
                at = match &**name {
                    "crate" => 0,
                    "super" => module.parent,
                    "self" => at,
                    _ if index == 0 => return None,
                    _ => return Some(at),
                };
            }
        }
        None
    }
}

#[derive(Default)]
struct Code {
    imports: HashMap<String, Vec<String>>,
    uses: Vec<Vec<String>>,
    modules: Vec<syn::ItemMod>,
}

impl Code {
    /// Adds the paths in the tokens of a macro or an attribute, which syn does not parse.
    fn add_tokens(&mut self, tokens: &str) {
        let tokens = tokens.replace(" :: ", "::");
        let words = tokens.split(|c: char| !c.is_alphanumeric() && !"_:".contains(c));
        let paths = words.filter(|word| word.contains("::"));
        let names = |path: &str| path.split("::").map(str::to_owned).collect();
        self.uses.extend(paths.map(names));
    }
}

impl<'a> Visit<'a> for Code {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_test(&item.attrs) {
            self.modules.push(item.clone());
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        if is_test(&item.attrs) {
            return;
        }
        for (name, path) in imports(&item.tree) {
            if matches!(item.vis, syn::Visibility::Inherited) {
                self.uses.push(path.clone());
            }
            self.imports.insert(name, path);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names = path.segments.iter();
        self.uses
            .push(names.map(|name| name.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'a syn::Macro) {
        self.add_tokens(&called.tokens.to_string());
        syn::visit::visit_macro(self, called);
    }

    fn visit_attribute(&mut self, attribute: &'a syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.add_tokens(&list.tokens.to_string());
        }
    }
}

/// Returns the names that a `use` brings, each with its path.
fn imports(tree: &syn::UseTree) -> Vec<(String, Vec<String>)> {
    match tree {
        syn::UseTree::Path(path) => {
            let start = path.ident.to_string();
            let below = imports(&path.tree).into_iter();
            below
                .map(|(name, mut path)| {
                    path.insert(0, start.clone());
                    match &*name {
                        // `use start::{self}`
                        "self" => (start.clone(), vec![start.clone()]),
                        _ => (name, path),
                    }
                })
                .collect()
        }
        syn::UseTree::Name(name) => vec![(name.ident.to_string(), vec![name.ident.to_string()])],
        syn::UseTree::Rename(name) => vec![(name.rename.to_string(), vec![name.ident.to_string()])],
        syn::UseTree::Glob(_) => Vec::new(),
        syn::UseTree::Group(group) => group.items.iter().flat_map(imports).collect(),
    }
}
