//! Complaints about functions that cannot be tasks: a kind that cannot travel, or a place where
//! `#[remote]` does not stand.

use proc_macro2::Ident;
use syn::{Attribute, ItemFn, Safety, Signature, visit::Visit};

use crate::{
    complaints::Complaints,
    surroundings::{Surroundings, associated, makes_task},
    wants::Attribute as Keys,
};

/// Complains about a second attribute that makes a task: the first one sees it among the attributes.
pub(super) fn check_doubled(first: &Keys, attributes: &[Attribute], complaints: &mut Complaints) {
    for attribute in attributes.iter().filter(|attribute| makes_task(attribute)) {
        let (first, second) = (first.name, attribute.path().segments.last());
        if second.is_some_and(|second| second.ident == first) {
            let wrong = format!("`#[{first}]` stands twice on this function");
            let help = "leave one away, with its keys in the other";
            complaints.add(attribute, &wrong, help);
        } else {
            let help = "leave one away: a plan is a task by itself";
            complaints.add(attribute, "a function is a task only once", help);
        }
    }
}

/// Complains about a function of a type. If it has `self`, `parameter` complains instead. `Self`
/// proves an `impl` even if the file cannot be read.
pub(super) fn check_place(
    function: &ItemFn,
    surroundings: &Surroundings,
    complaints: &mut Complaints,
) {
    let signature = &function.sig;
    if signature.receiver().is_some() {
        return;
    }
    let mut of_type = OfType(false);
    of_type.visit_signature(signature);
    if of_type.0 {
        associated(signature, complaints);
    } else {
        surroundings.check(function, complaints);
    }
}

/// True if a signature has `Self`.
struct OfType(bool);

impl Visit<'_> for OfType {
    fn visit_ident(&mut self, ident: &Ident) {
        self.0 |= ident == "Self";
    }
}

/// Complains about qualifiers, generics and bounds that a task cannot have.
pub(super) fn check_qualifiers(signature: &Signature, complaints: &mut Complaints) {
    if signature.ident == "main" {
        complaints.add(
            &signature.ident,
            "`fn main` cannot be a task",
            "give the work a function of its own",
        );
    }
    if let Some(constness) = signature.constness {
        complaints.add(
            constness,
            "a task cannot be `const`",
            "let a task call the `const fn`",
        );
    }
    if let Safety::Unsafe(keyword) = signature.safety {
        complaints.add(
            keyword,
            "a task cannot be `unsafe`",
            "nobody on another host could keep its contract",
        );
    }
    if let Some(abi) = &signature.abi {
        complaints.add(
            abi,
            "a task cannot have an ABI of its own",
            "leave `extern` away",
        );
    }
    if let Some(variadic) = &signature.variadic {
        complaints.add(variadic, "a task cannot be variadic", "take a `Vec`");
    }
    if !signature.generics.params.is_empty() {
        complaints.add(
            &signature.generics.params,
            "a task cannot be generic",
            "its module is compiled before it is called, so name the types, and own what is borrowed for a lifetime",
        );
    }
    if let Some(clause) = &signature.generics.where_clause {
        complaints.add(
            clause,
            "a task cannot have a `where` clause",
            "name the types instead",
        );
    }
}

/// Complains about a parameter that is not always there.
pub(super) fn check_cfg(attributes: &[Attribute], complaints: &mut Complaints) {
    let is_cfg = |attribute: &&Attribute| attribute.path().is_ident("cfg");
    for attribute in attributes.iter().filter(is_cfg) {
        let help = "mark whole functions, one for each case: caller and module may be compiled differently";
        complaints.add(
            attribute,
            "a parameter of a task cannot depend on `cfg`",
            help,
        );
    }
}
