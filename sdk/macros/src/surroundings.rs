//! Looks at the items around a task in its file. An attribute sees only its own function. If the
//! task stands in an `impl`, or beside another item of its name, rustc's error does not mention
//! tasks; so this reads the file, and complains in better words.
//!
//! The file is parsed only if the task is indented, or if its name stands after a keyword such as
//! `mod` or before `::`. If the file cannot be read, or leaves doubt, as inside macros, rustc's
//! error stands.

use std::fs;

use syn::{
    Attribute, Ident, ImplItemFn, Item, ItemFn, Path, Signature, TraitItemFn, UseTree,
    ext::IdentExt, visit::Visit,
};

use crate::{complaints::Complaints, own_name::declares};

/// The file of a task.
#[derive(Default)]
pub(crate) struct Surroundings {
    text: String,
    /// True if the task does not begin a line.
    is_indented: bool,
}

impl Surroundings {
    /// Returns the surroundings of the attribute that is being expanded.
    pub(crate) fn of_call() -> Self {
        let here = proc_macro::Span::call_site();
        let text = here
            .local_file()
            .and_then(|path| fs::read_to_string(path).ok());
        Self {
            text: text.unwrap_or_default(),
            is_indented: here.column() > 1,
        }
    }

    /// Complains about items around `function` that keep it from being a task.
    pub(crate) fn check(&self, function: &ItemFn, complaints: &mut Complaints) {
        let name = &function.sig.ident;
        let is_taken = KEYWORDS
            .iter()
            .any(|keyword| self.text.contains(&format!("{keyword} {name}")));
        let own = format!("{name}::");
        let is_path = self
            .text
            .split(&own)
            .skip(1)
            .any(|rest| !OWN.iter().any(|own| rest.starts_with(own)));
        if !self.is_indented && !is_taken && !is_path {
            return;
        }
        let Ok(file) = syn::parse_file(&self.text) else {
            return;
        };
        let mut places = Places {
            name,
            free: Vec::new(),
            is_associated: false,
        };
        places.list(&file.items);
        places.visit_file(&file);

        if places.free.is_empty() && places.is_associated {
            associated(&function.sig, complaints);
        }
        // Under a condition, the task and the other items may never be compiled together.
        if has_cfg(&function.attrs) {
            return;
        }
        let mut rivals = places
            .free
            .iter()
            .map(|items| items.iter().find_map(|item| rival(item, name)));
        // If several modules have a task of this name, this may be any of them: complain only if
        // all have a rival.
        if let Some(Some(rival)) = rivals.next()
            && rivals.all(|other| other.is_some())
        {
            rival.complain(name, complaints);
        }
    }
}

/// The keywords before names that a task cannot share.
const KEYWORDS: [&str; 7] = ["mod", "use", "struct", "enum", "union", "trait", "type"];

/// Complains about a task that belongs to a type.
pub(crate) fn associated(signature: &Signature, complaints: &mut Complaints) {
    let help = "make it a free function, beside the `impl`; the associated one may call it";
    complaints.add(&signature.ident, "a task cannot belong to a type", help);
}

/// The places of the tasks of one name in a file.
struct Places<'a> {
    name: &'a Ident,
    /// Modules that have such a task, as lists of their items.
    free: Vec<&'a [Item]>,
    /// True if an `impl` or a trait has such a task.
    is_associated: bool,
}

impl<'a> Places<'a> {
    fn list(&mut self, items: &'a [Item]) {
        let is_ours = |item: &Item| match item {
            Item::Fn(function) => function.sig.ident == *self.name && is_task(&function.attrs),
            _ => false,
        };
        if items.iter().any(is_ours) {
            self.free.push(items);
        }
        for item in items {
            if let Item::Mod(module) = item
                && let Some((_, items)) = &module.content
            {
                self.list(items);
            }
        }
    }
}

impl Visit<'_> for Places<'_> {
    fn visit_impl_item_fn(&mut self, function: &ImplItemFn) {
        self.is_associated |= function.sig.ident == *self.name && is_task(&function.attrs);
    }

    fn visit_trait_item_fn(&mut self, function: &TraitItemFn) {
        self.is_associated |= function.sig.ident == *self.name && is_task(&function.attrs);
    }

    /// Skips the insides of functions: `free` does not list the tasks there.
    fn visit_item_fn(&mut self, _: &ItemFn) {}
}

/// An item that keeps a task from having its name.
enum Rival {
    Module,
    Type,
    /// `use NAME::…`, which is meant for a crate.
    Import,
    /// A path of a crate in another item.
    Path,
}

/// Returns the kind of `item` if it keeps a task `name` beside it from having that name.
fn rival(item: &Item, name: &Ident) -> Option<Rival> {
    let (attributes, ident, rival) = match item {
        Item::Mod(item) => (&item.attrs, Some(&item.ident), Rival::Module),
        Item::Struct(item) => (&item.attrs, Some(&item.ident), Rival::Type),
        Item::Enum(item) => (&item.attrs, Some(&item.ident), Rival::Type),
        Item::Union(item) => (&item.attrs, Some(&item.ident), Rival::Type),
        Item::Trait(item) => (&item.attrs, Some(&item.ident), Rival::Type),
        Item::Type(item) => (&item.attrs, Some(&item.ident), Rival::Type),
        Item::Use(item) => match &item.tree {
            UseTree::Path(path) if item.leading_colon.is_none() => {
                (&item.attrs, Some(&path.ident), Rival::Import)
            }
            _ => return None,
        },
        // The task itself.
        Item::Fn(function) if function.sig.ident == *name => return None,
        Item::Fn(item) => (&item.attrs, None, Rival::Path),
        Item::Impl(item) => (&item.attrs, None, Rival::Path),
        Item::Const(item) => (&item.attrs, None, Rival::Path),
        Item::Static(item) => (&item.attrs, None, Rival::Path),
        _ => return None,
    };
    if has_cfg(attributes) {
        return None;
    }
    match item {
        _ if ident == Some(name) => Some(rival),
        Item::Mod(_) | Item::Use(_) => None,
        _ => means_crate(item, name).then_some(Rival::Path),
    }
}

/// Returns true if an item has a path that begins with the name of a task beside it, but means a
/// crate.
fn means_crate(item: &Item, name: &Ident) -> bool {
    let mut paths = Paths { name, found: false };
    paths.visit_item(item);
    paths.found && !declares(item, name)
}

/// The functions of a task's type; only a plan's has the second one.
const OWN: [&str; 2] = ["on", "apply"];

struct Paths<'a> {
    name: &'a Ident,
    found: bool,
}

impl Visit<'_> for Paths<'_> {
    fn visit_path(&mut self, path: &Path) {
        let mut segments = path.segments.iter().map(|segment| &segment.ident);
        let begins = path.leading_colon.is_none() && segments.next() == Some(self.name);
        self.found |= begins
            && segments
                .next()
                .is_some_and(|next| OWN.iter().all(|own| next != own));
        syn::visit::visit_path(self, path);
    }
}

impl Rival {
    fn complain(&self, name: &Ident, complaints: &mut Complaints) {
        let own = name.unraw();
        let (wrong, help) = match self {
            Self::Module | Self::Type => (
                format!(
                    "a {} `{own}` stands beside this task, which has a type of its name for `{own}::on`",
                    if matches!(self, Self::Module) {
                        "module"
                    } else {
                        "type"
                    }
                ),
                "give the task another name, or put it into a module of its own".into(),
            ),
            Self::Path => (
                format!(
                    "`{own}::…` beside this task means the task, which has a type of its name for `{own}::on`"
                ),
                format!("write `::{own}::…` there for the crate, or give the task another name"),
            ),
            Self::Import => (
                format!(
                    "`use {own}::…` beside this task means the task, which has a type of its name for `{own}::on`"
                ),
                format!("write `use ::{own}::…` for the crate, or give the task another name"),
            ),
        };
        complaints.add(name, &wrong, &help);
    }
}

fn is_task(attributes: &[Attribute]) -> bool {
    attributes.iter().any(makes_task)
}

/// Returns true for `#[remote]` and `#[plan]`.
pub(crate) fn makes_task(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|last| last.ident == "remote" || last.ident == "plan")
}

fn has_cfg(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr"))
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    /// Returns the complaint about the task `stats` in a file.
    fn said(text: &str, is_indented: bool) -> String {
        let mut complaints = Complaints::default();
        Surroundings {
            text: text.into(),
            is_indented,
        }
        .check(
            &parse_quote!(
                fn stats() {}
            ),
            &mut complaints,
        );
        complaints
            .into_result(())
            .err()
            .map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn an_item_of_its_name_is_in_the_way() {
        const TASK: &str = "#[remote] fn stats() {}";
        for (item, expected) in [
            ("mod stats;", "a module `stats` stands beside this task"),
            ("mod stats {}", "a module `stats` stands beside this task"),
            ("enum stats {}", "a type `stats` stands beside this task"),
            (
                "pub type stats = u8;",
                "a type `stats` stands beside this task",
            ),
            (
                "use stats::{A, b::C};",
                "`use stats::…` beside this task means the task",
            ),
        ] {
            assert!(
                said(&format!("{item}\n{TASK}"), false).starts_with(expected),
                "{item}"
            );
            assert!(
                said(&format!("mod inner {{ {TASK} {item} }}"), true).starts_with(expected),
                "{item}"
            );
            // The item is in another place, or not there for certain.
            for text in [
                format!("mod inner {{ {item} }} {TASK}"),
                format!("#[cfg(unix)] {item}\n{TASK}"),
                format!("{item} mod inner {{ {TASK} }} mod other {{ {TASK} }}"),
                format!("{item} made! {{ {TASK} }}"),
                format!("{item} }} {TASK}"),
            ] {
                assert_eq!(said(&text, false), "", "{text}");
            }
        }
        for item in [
            "use ::stats::A;",
            "mod statsx;",
            "use a::stats::B;",
            "fn other() { use stats::A; }",
        ] {
            assert_eq!(said(&format!("{item}\n{TASK}"), false), "", "{item}");
        }
    }

    #[test]
    fn a_path_of_a_crate_beside_it_is_told() {
        const TASK: &str = "#[remote] fn stats(a: stats::A) {}";
        let expected = "`stats::…` beside this task means the task";
        for item in [
            "fn other() { stats::f(); }",
            "struct Other(Vec<stats::A>);",
            "impl stats::A for Other {}",
        ] {
            assert!(
                said(&format!("{item}\n{TASK}"), false).starts_with(expected),
                "{item}"
            );
        }
        for item in [
            "fn other() { stats::on(&host); stats::apply(&fleet); }",
            "fn other() { ::stats::f(); self::stats::f(); }",
            "fn other() { use others::stats; stats::f(); }",
            "#[cfg(unix)] fn other() { stats::f(); }",
            "mod other { fn other() { stats::f(); } }",
        ] {
            assert_eq!(said(&format!("{item}\n{TASK}"), false), "", "{item}");
        }
    }

    #[test]
    fn a_function_of_a_type_is_no_task() {
        const TASK: &str = "#[wxec::remote] fn stats() {}";
        let own_words = |text: &str| said(text, true).starts_with("a task cannot belong to a type");
        assert!(own_words(&format!("impl Counter {{ {TASK} }}")));
        assert!(own_words(&format!(
            "mod inner {{ trait Count {{ {TASK} }} }}"
        )));
        for text in [
            format!("mod inner {{ {TASK} }} impl Counter {{ {TASK} }}"),
            format!("mod inner {{ {TASK} }} impl Counter {{ fn stats() {{}} }}"),
            "impl Counter { fn stats() {} }".to_owned(),
        ] {
            assert!(!own_words(&text), "{text}");
        }
    }
}
