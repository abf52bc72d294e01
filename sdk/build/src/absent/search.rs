//! Looks for functions of a name, from a crate's first file through its modules.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, ItemFn, ItemMod, Meta, ext::IdentExt, visit::Visit};

use crate::absent::{
    configuration::{conditions, mark, text},
    lines::Lines,
};

/// Most files read. A package with more is generated, and its author has other means.
const MAX_FILES: usize = 2_000;

/// Longest file read: longer files are tables, not tasks.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Deepest nesting of modules: beyond it, files probably name each other.
const MAX_DEPTH: usize = 64;

/// A function of the name that is looked for.
pub(crate) struct Found {
    /// Its path inside the crate, or inside its file if no `mod` leads to the file.
    pub(crate) path: String,
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
    pub(crate) is_marked: bool,
    /// The conditions under which it is compiled, which must all hold.
    pub(crate) conditions: Vec<Meta>,
}

/// Looks through files for functions of a name.
pub(crate) struct Search<'a> {
    name: &'a str,
    read: BTreeSet<PathBuf>,
    pub(crate) found: Vec<Found>,
}

/// The position of a search.
#[derive(Clone)]
struct Place {
    file: PathBuf,
    /// The directory with the files of child modules.
    children: PathBuf,
    modules: Vec<String>,
    conditions: Vec<Meta>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(name: &'a str) -> Self {
        Self {
            name,
            read: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    /// Searches the crate that begins with `file`.
    pub(crate) fn root(&mut self, file: &Path) {
        self.file(Place::new(file.into(), directory_of(file)));
    }

    /// Searches all files in a folder that were not read so far.
    pub(crate) fn folder(&mut self, folder: &Path) {
        self.subfolder(folder, 0);
    }

    fn subfolder(&mut self, folder: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        let mut entries: Vec<_> = entries
            .filter_map(|entry| Some((entry.as_ref().ok()?.file_type().ok()?, entry.ok()?.path())))
            .collect();
        entries.sort_by(|(_, a), (_, b)| a.cmp(b));
        for (kind, path) in entries {
            if kind.is_dir() && depth < MAX_DEPTH {
                self.subfolder(&path, depth + 1);
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs")
            {
                // Child modules in files of their own are found as files.
                self.file(Place::new(path, PathBuf::new()));
            }
        }
    }

    fn file(&mut self, mut place: Place) {
        let is_readable =
            fs::metadata(&place.file).is_ok_and(|it| it.is_file() && it.len() <= MAX_FILE_BYTES);
        if !is_readable || self.read.len() == MAX_FILES || !self.read.insert(place.file.clone()) {
            return;
        }
        let Ok(source) = fs::read_to_string(&place.file) else {
            return;
        };
        let Ok(file) = syn::parse_file(&source) else {
            return;
        };
        place.conditions.extend(conditions(&file.attrs));
        self.items(&file.items, &place, &mut Lines::of(&source, self.name));
    }

    fn items(&mut self, items: &[Item], place: &Place, lines: &mut Lines) {
        for item in items {
            match item {
                Item::Fn(function) if function.sig.ident.unraw() == self.name => {
                    self.function(function, place, lines)
                }
                Item::Mod(module) if place.modules.len() < MAX_DEPTH => {
                    self.module(module, place, lines)
                }
                other => lines.visit_item(other),
            }
        }
    }

    fn function(&mut self, function: &ItemFn, place: &Place, lines: &mut Lines) {
        let mut conditions = [place.conditions.clone(), conditions(&function.attrs)].concat();
        let is_marked = match mark(&function.attrs) {
            Some(condition) => {
                conditions.extend(condition);
                true
            }
            None => false,
        };
        let path = place
            .modules
            .iter()
            .map(String::as_str)
            .chain([self.name])
            .collect::<Vec<_>>()
            .join("::");
        self.found.push(Found {
            path,
            file: place.file.clone(),
            line: lines.next(),
            is_marked,
            conditions,
        });
        lines.visit_block(&function.block);
    }

    fn module(&mut self, module: &ItemMod, place: &Place, lines: &mut Lines) {
        let name = module.ident.unraw().to_string();
        let named = path_attribute(&module.attrs);
        let mut inner = place.clone();
        inner.modules.push(name.clone());
        inner.conditions.extend(conditions(&module.attrs));
        if let Some((_, items)) = &module.content {
            inner.children = place.children.join(named.as_deref().unwrap_or(&name));
            return self.items(items, &inner, lines);
        }
        if let Some(named) = named {
            inner.file = directory_of(&place.file).join(named);
            inner.children = directory_of(&inner.file);
        } else {
            let file = place.children.join(format!("{name}.rs"));
            inner.children = place.children.join(&name);
            inner.file = if file.is_file() {
                file
            } else {
                inner.children.join("mod.rs")
            };
        }
        self.file(inner);
    }
}

impl Place {
    fn new(file: PathBuf, children: PathBuf) -> Self {
        Self {
            file,
            children,
            modules: Vec::new(),
            conditions: Vec::new(),
        }
    }
}

fn directory_of(file: &Path) -> PathBuf {
    file.parent().map_or_else(PathBuf::new, Into::into)
}

/// Returns the file that a `#[path = "…"]` names.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => text(&pair.value),
            _ => None,
        })
}
