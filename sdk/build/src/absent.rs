//! Explains why a task is not in the module of its package: reads the package's sources once a call
//! of the task has failed.
//!
//! Tasks that macros write are not found, nor are modules that macros name; then there is no
//! answer.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{Package, TargetKind};
use syn::{
    Attribute, Item, ItemFn, ItemMod, Meta, Signature, Token, ext::IdentExt,
    punctuated::Punctuated, visit::Visit,
};

use crate::{
    Features,
    unit::{Unit, UnitKind},
};

/// Most files read. A package with more is generated, and its author has other means.
const MAX_FILES: usize = 2_000;

/// Longest file read: longer files are tables, not tasks.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Deepest nesting of modules: beyond it, files probably name each other.
const MAX_DEPTH: usize = 64;

/// Source of a module: a package, and the target of it that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSource {
    folder: PathBuf,
    crate_name: String,
    built: Root,
    /// The first files of the package's other targets.
    others: Vec<PathBuf>,
    /// Enabled features.
    features: BTreeSet<String>,
}

/// A target of the package.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Root {
    /// Name for messages, as in "not part of the library".
    what: String,
    /// Its first file.
    file: PathBuf,
}

/// A function of a package that is no task of the package's module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AbsentTask {
    /// Its path inside its crate.
    pub path: String,
    /// Its file, as seen from the package's folder.
    pub file: PathBuf,
    /// Its line in that file.
    pub line: usize,
    /// The reason why it is not a task of the module.
    pub reason: AbsenceReason,
}

/// The reason why a function is not a task of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbsenceReason {
    /// It is a part of other targets only, not of the target that was built, which is named here.
    OtherTarget(String),
    /// No `mod` leads to its file.
    NoMod,
    /// It is compiled for tests only.
    Test,
    /// It is compiled only with these features, which are off.
    Features(Vec<String>),
    /// It is compiled under another condition only.
    Cfg(String),
    /// It is compiled, but not marked with `#[remote]`.
    NotMarked,
}

impl fmt::Display for AbsentTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            file,
            line,
            reason,
        } = self;
        let place = format!("{}:{line}", file.display());
        match reason {
            AbsenceReason::OtherTarget(built) => {
                write!(f, "`{path}` is in {place}, which is not part of {built}")
            }
            AbsenceReason::NoMod => write!(f, "`{path}` is in {place}, which no `mod` names"),
            AbsenceReason::Test => write!(f, "`{path}` ({place}) is under `cfg(test)`"),
            AbsenceReason::Features(features) => {
                let names: Vec<_> = features
                    .iter()
                    .map(|feature| format!("`{feature}`"))
                    .collect();
                let noun = if names.len() == 1 {
                    "feature"
                } else {
                    "features"
                };
                write!(
                    f,
                    "`{path}` ({place}) is compiled only with {noun} {}",
                    names.join(", ")
                )
            }
            AbsenceReason::Cfg(condition) => write!(
                f,
                "`{path}` ({place}) is compiled only under `cfg({condition})`"
            ),
            AbsenceReason::NotMarked => {
                write!(f, "`{path}` ({place}) is not marked with #[remote]")
            }
        }
    }
}

impl PackageSource {
    pub(crate) fn of(package: &Package, unit: &Unit, features: &Features) -> Self {
        let what = match unit.kind {
            UnitKind::Library => "the library".into(),
            UnitKind::Program => format!("the program `{}`", unit.name),
            UnitKind::Example => format!("the example `{}`", unit.name),
        };
        let built = package.targets.iter().find(|target| unit.is(target));
        let is_other = |target: &&cargo_metadata::Target| {
            !unit.is(target)
                && !target
                    .kind
                    .iter()
                    .any(|kind| matches!(kind, TargetKind::CustomBuild))
        };
        Self {
            folder: package
                .manifest_path
                .parent()
                .map_or_else(PathBuf::new, Into::into),
            crate_name: unit.name.replace('-', "_"),
            built: Root {
                what,
                file: built.map_or_else(PathBuf::new, |target| target.src_path.clone().into()),
            },
            others: package
                .targets
                .iter()
                .filter(is_other)
                .map(|target| target.src_path.clone().into())
                .collect(),
            features: features.enabled(package, &unit.required_features),
        }
    }

    /// Explains why the module has no task `function`, which is named by its path inside the crate
    /// or with the crate's name before it. Returns `None` if the sources do not tell.
    pub fn why_absent(&self, function: &str) -> Option<AbsentTask> {
        let plain = function.replace("r#", "");
        let wanted = plain
            .strip_prefix(&format!("{}::", self.crate_name))
            .unwrap_or(&plain);
        let name = wanted.rsplit("::").next().filter(|name| !name.is_empty())?;
        let mut search = Search {
            name,
            read: BTreeSet::new(),
            found: Vec::new(),
        };

        search.root(&self.built.file);
        let own = std::mem::take(&mut search.found);
        for other in &self.others {
            search.root(other);
        }
        let elsewhere = std::mem::take(&mut search.found);
        search.folder(&self.folder.join("src"), 0);
        let unnamed = std::mem::take(&mut search.found);

        let is_exact = |found: &Found| found.path == wanted || (wanted == name && found.is_marked);
        let own = own
            .into_iter()
            .filter_map(|found| Some((is_exact(&found), self.excluded(&found)?, found)));
        let elsewhere = elsewhere
            .into_iter()
            .filter(|found| found.is_marked)
            .map(|found| {
                (
                    is_exact(&found),
                    AbsenceReason::OtherTarget(self.built.what.clone()),
                    found,
                )
            });
        let unnamed = unnamed.into_iter().filter(|found| found.is_marked);
        let unnamed = unnamed.map(|found| (is_exact(&found), AbsenceReason::NoMod, found));
        // A path found for these two reasons is only that inside of the file, so it need not be
        // exact.
        let candidates = own
            .chain(elsewhere)
            .chain(unnamed)
            .filter(|(is_exact, reason, found)| {
                *is_exact
                    || (found.is_marked
                        && matches!(reason, AbsenceReason::NoMod | AbsenceReason::OtherTarget(_)))
            });
        // The first of those that fit equally well.
        let (_, reason, found) =
            candidates.min_by_key(|(is_exact, _, found)| (!found.is_marked, !is_exact))?;
        let file = found
            .file
            .strip_prefix(&self.folder)
            .unwrap_or(&found.file)
            .into();
        Some(AbsentTask {
            path: found.path,
            file,
            line: found.line,
            reason,
        })
    }

    /// Returns the reason why a function of the built target is not a task of the module, or `None`
    /// if it is one.
    fn excluded(&self, found: &Found) -> Option<AbsenceReason> {
        let off: Vec<&Meta> = found
            .conditions
            .iter()
            .filter(|it| self.holds(it) == Some(false))
            .collect();
        let Some(first) = off.first() else {
            return (!found.is_marked).then_some(AbsenceReason::NotMarked);
        };
        if off.iter().any(|condition| wants_test(condition)) {
            return Some(AbsenceReason::Test);
        }
        let missing: Option<Vec<_>> = off
            .iter()
            .map(|condition| self.missing_features(condition))
            .collect();
        Some(match missing {
            Some(missing) => AbsenceReason::Features(
                missing
                    .concat()
                    .into_iter()
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect(),
            ),
            None => AbsenceReason::Cfg(spelled(first)),
        })
    }

    /// Returns true or false if it is certain that a condition holds, or does not hold, in the
    /// module.
    fn holds(&self, condition: &Meta) -> Option<bool> {
        match condition {
            Meta::Path(path) if path.is_ident("wxec") => Some(true),
            Meta::Path(path) => ["test", "unix", "windows"]
                .iter()
                .any(|name| path.is_ident(name))
                .then_some(false),
            Meta::NameValue(pair) => {
                let value = text(&pair.value)?;
                match &*pair.path.get_ident()?.to_string() {
                    "feature" => Some(self.features.contains(&value)),
                    "target_family" => Some(value == "wasm"),
                    "target_arch" => Some(value == "wasm32"),
                    "target_os" => Some(value == "wasi"),
                    _ => None,
                }
            }
            Meta::List(list) => {
                let parts = parts(condition)?;
                let mut parts = parts.iter().map(|part| self.holds(part));
                match &*list.path.get_ident()?.to_string() {
                    "not" => parts.next()?.map(|holds| !holds),
                    "all" => parts
                        .try_fold(Some(true), |all, part| match (all, part) {
                            (_, Some(false)) => Err(Some(false)),
                            (Some(true), Some(true)) => Ok(Some(true)),
                            _ => Ok(None),
                        })
                        .unwrap_or_else(|decided| decided),
                    "any" => parts
                        .try_fold(Some(false), |any, part| match (any, part) {
                            (_, Some(true)) => Err(Some(true)),
                            (Some(false), Some(false)) => Ok(Some(false)),
                            _ => Ok(None),
                        })
                        .unwrap_or_else(|decided| decided),
                    _ => None,
                }
            }
        }
    }

    /// Returns the features that would make a condition true, or `None` if features alone would
    /// not.
    fn missing_features(&self, condition: &Meta) -> Option<Vec<String>> {
        if self.holds(condition) == Some(true) {
            return Some(Vec::new());
        }
        match condition {
            Meta::NameValue(pair) if pair.path.is_ident("feature") => {
                Some(vec![text(&pair.value)?])
            }
            Meta::List(list) if list.path.is_ident("all") => {
                let parts = parts(condition)?;
                let missing: Option<Vec<_>> = parts
                    .iter()
                    .map(|part| self.missing_features(part))
                    .collect();
                Some(missing?.concat())
            }
            Meta::List(list) if list.path.is_ident("any") => parts(condition)?
                .iter()
                .find_map(|part| self.missing_features(part)),
            _ => None,
        }
    }
}

/// Returns true if a condition that does not hold needs `test`.
fn wants_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => {
            parts(condition).is_some_and(|parts| parts.iter().any(wants_test))
        }
        _ => false,
    }
}

/// The conditions in `all(…)`, `any(…)` or `not(…)`.
fn parts(condition: &Meta) -> Option<Punctuated<Meta, Token![,]>> {
    condition
        .require_list()
        .ok()?
        .parse_args_with(Punctuated::parse_terminated)
        .ok()
}

/// The text of a literal.
fn text(value: &syn::Expr) -> Option<String> {
    match value {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}

/// Formats a condition as people write it.
fn spelled(condition: &Meta) -> String {
    let name = |path: &syn::Path| {
        path.get_ident()
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    match condition {
        Meta::Path(path) => name(path),
        Meta::NameValue(pair) => format!(
            "{} = {:?}",
            name(&pair.path),
            text(&pair.value).unwrap_or_default()
        ),
        Meta::List(list) => {
            let parts: Vec<_> = parts(condition)
                .into_iter()
                .flatten()
                .map(|part| spelled(&part))
                .collect();
            format!("{}({})", name(&list.path), parts.join(", "))
        }
    }
}

/// A function of the name that is looked for.
struct Found {
    /// Its path inside the crate, or inside its file if no `mod` leads to the file.
    path: String,
    file: PathBuf,
    line: usize,
    is_marked: bool,
    /// The conditions under which it is compiled, which must all hold.
    conditions: Vec<Meta>,
}

/// Looks through files for functions of a name.
struct Search<'a> {
    name: &'a str,
    read: BTreeSet<PathBuf>,
    found: Vec<Found>,
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

impl Search<'_> {
    /// Searches the crate that begins with `file`.
    fn root(&mut self, file: &Path) {
        let children = file.parent().map_or_else(PathBuf::new, Into::into);
        self.file(Place {
            file: file.into(),
            children,
            modules: Vec::new(),
            conditions: Vec::new(),
        });
    }

    /// Searches all files in a folder that were not read so far.
    fn folder(&mut self, folder: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        let mut entries: Vec<_> = entries
            .filter_map(|entry| Some((entry.as_ref().ok()?.file_type().ok()?, entry.ok()?.path())))
            .collect();
        entries.sort_by(|(_, a), (_, b)| a.cmp(b));
        for (kind, path) in entries {
            if kind.is_dir() && depth < MAX_DEPTH {
                self.folder(&path, depth + 1);
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs")
            {
                // Child modules in files of their own are found as files.
                self.file(Place {
                    children: PathBuf::new(),
                    file: path,
                    modules: Vec::new(),
                    conditions: Vec::new(),
                });
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
        let mut inner = place.clone();
        inner.modules.push(name.clone());
        inner.conditions.extend(conditions(&module.attrs));
        let named = module
            .attrs
            .iter()
            .find_map(|attribute| match &attribute.meta {
                Meta::NameValue(pair) if pair.path.is_ident("path") => text(&pair.value),
                _ => None,
            });
        if let Some((_, items)) = &module.content {
            inner.children = place.children.join(named.as_deref().unwrap_or(&name));
            return self.items(items, &inner, lines);
        }
        if let Some(named) = named {
            inner.file = place
                .file
                .parent()
                .map_or_else(PathBuf::new, Into::into)
                .join(named);
            inner.children = inner.file.parent().map_or_else(PathBuf::new, Into::into);
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

/// The conditions of all `cfg` attributes.
fn conditions(attributes: &[Attribute]) -> Vec<Meta> {
    let cfgs = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"));
    cfgs.filter_map(|attribute| attribute.parse_args().ok())
        .collect()
}

/// Returns `Some` if the function is marked with `#[remote]`, and the further condition for the
/// mark.
fn mark(attributes: &[Attribute]) -> Option<Option<Meta>> {
    let is_remote = |path: &syn::Path| {
        path.segments
            .last()
            .is_some_and(|last| last.ident == "remote")
    };
    attributes.iter().find_map(|attribute| {
        if is_remote(attribute.path()) {
            return Some(None);
        }
        let list = attribute
            .path()
            .is_ident("cfg_attr")
            .then(|| parts(&attribute.meta))
            .flatten()?;
        list.iter()
            .skip(1)
            .any(|attribute| is_remote(attribute.path()))
            .then(|| list.first().cloned())
    })
}

/// The lines on which functions of a name begin, in order. Visits functions that cannot be tasks,
/// to skip their lines.
struct Lines {
    name: String,
    left: std::vec::IntoIter<usize>,
}

impl Lines {
    fn of(source: &str, name: &str) -> Self {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let begins = |line: &str| {
            line.match_indices("fn ").any(|(at, word)| {
                let rest = line[at + word.len()..].trim_start();
                let rest = rest.strip_prefix("r#").unwrap_or(rest).strip_prefix(name);
                !line[..at].ends_with(is_word)
                    && rest.is_some_and(|rest| !rest.starts_with(is_word))
            })
        };
        let lines = source
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//") && begins(line));
        let left = lines
            .map(|(index, _)| index + 1)
            .collect::<Vec<_>>()
            .into_iter();
        Self {
            name: name.into(),
            left,
        }
    }

    fn next(&mut self) -> usize {
        self.left.next().unwrap_or(1)
    }
}

impl Visit<'_> for Lines {
    fn visit_signature(&mut self, signature: &Signature) {
        if signature.ident.unraw() == self.name {
            self.next();
        }
    }
}
