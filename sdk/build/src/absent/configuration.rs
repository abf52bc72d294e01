//! The configuration that a module is compiled with, and conditions of `cfg` attributes judged by
//! it.

use std::collections::BTreeSet;

use syn::{Attribute, Meta, MetaList, MetaNameValue, Token, punctuated::Punctuated};

use crate::AbsenceReason;

/// The configuration that a module is compiled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// Enabled features.
    features: BTreeSet<String>,
}

impl Configuration {
    pub(crate) fn new(features: BTreeSet<String>) -> Self {
        Self { features }
    }

    /// Returns the reason why code under these conditions, which must all hold, is not compiled;
    /// `None` if it may be.
    pub(crate) fn excludes(&self, conditions: &[Meta]) -> Option<AbsenceReason> {
        let off = conditions.iter().filter(|it| self.holds(it) == Some(false));
        let off: Vec<&Meta> = off.collect();
        let first = off.first()?;
        if off.iter().any(|condition| wants_test(condition)) {
            return Some(AbsenceReason::Test);
        }
        let missing = off.iter().map(|condition| self.missing_features(condition));
        let missing: Option<Vec<_>> = missing.collect();
        Some(match missing {
            Some(missing) => {
                let sorted: BTreeSet<_> = missing.into_iter().flatten().collect();
                AbsenceReason::Features(sorted.into_iter().collect())
            }
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
            Meta::NameValue(pair) => self.has_value(pair),
            Meta::List(list) => self.combination_holds(list, &parts(condition)?),
        }
    }

    fn has_value(&self, pair: &MetaNameValue) -> Option<bool> {
        let value = text(&pair.value)?;
        match &*pair.path.get_ident()?.to_string() {
            "feature" => Some(self.features.contains(&value)),
            "target_family" => Some(value == "wasm"),
            "target_arch" => Some(value == "wasm32"),
            "target_os" => Some(value == "wasi"),
            _ => None,
        }
    }

    fn combination_holds(
        &self,
        list: &MetaList,
        parts: &Punctuated<Meta, Token![,]>,
    ) -> Option<bool> {
        let not = |holds: bool| !holds;
        let mut parts = parts.iter().map(|part| self.holds(part));
        match &*list.path.get_ident()?.to_string() {
            "not" => parts.next()?.map(not),
            "all" => all(parts),
            "any" => all(parts.map(|part| part.map(not))).map(not),
            _ => None,
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

/// Returns false if a part is false, true if all are true, and `None` if that depends on unknown
/// parts.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(true);
    for part in parts {
        match part {
            Some(true) => {}
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
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
pub(crate) fn text(value: &syn::Expr) -> Option<String> {
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

/// The conditions of all `cfg` attributes.
pub(crate) fn conditions(attributes: &[Attribute]) -> Vec<Meta> {
    let cfgs = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"));
    cfgs.filter_map(|attribute| attribute.parse_args().ok())
        .collect()
}

/// Returns `Some` if the function is marked with `#[remote]`, and the further condition for the
/// mark.
pub(crate) fn mark(attributes: &[Attribute]) -> Option<Option<Meta>> {
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
