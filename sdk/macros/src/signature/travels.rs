//! Complaints about types that make no sense on another host.

use syn::{
    GenericArgument, Lifetime, PathArguments, Type, TypeImplTrait, TypeParamBound, TypeReference,
    visit::Visit,
};

use crate::{complaints::Complaints, types::bare};

/// Visits a type that must make sense on another host, and complains about the parts that do not.
pub(super) struct Travels<'a> {
    complaints: &'a mut Complaints,
    statics: Statics,
    place: Place,
}

/// Says if `&'static` may stand in the type: an error such as `&'static str` travels as its text.
#[derive(PartialEq)]
pub(super) enum Statics {
    Allowed,
    Refused,
}

/// The complaint about a borrow, and the help, by the place of the type.
pub(super) type Place = (&'static str, &'static str);
pub(super) const PARAMETER: Place = (
    "only a whole argument can be lent",
    "own what is inside, such as `Vec<String>`",
);
pub(super) const VALUE: Place = (
    "a task cannot return a borrow",
    "return an owned value, such as `String` or `Vec<T>`",
);

impl<'a> Travels<'a> {
    pub(super) fn check(ty: &Type, complaints: &'a mut Complaints, statics: Statics, place: Place) {
        Travels {
            complaints,
            statics,
            place,
        }
        .visit_type(ty);
    }
}

impl Visit<'_> for Travels<'_> {
    fn visit_type_reference(&mut self, reference: &TypeReference) {
        let is_static = reference
            .lifetime
            .as_ref()
            .is_some_and(|lifetime| lifetime.ident == "static");
        if is_static && self.statics == Statics::Allowed {
            return self.visit_type(&reference.elem);
        }
        let (wrong, help) = self.place;
        self.complaints.add(reference, wrong, help);
    }

    fn visit_type_impl_trait(&mut self, ty: &TypeImplTrait) {
        let help = "name a type: both sides must know how to encode it";
        self.complaints
            .add(ty, "`impl Trait` cannot travel to another host", help);
    }

    fn visit_lifetime(&mut self, lifetime: &Lifetime) {
        if lifetime.ident != "static" {
            let (wrong, help) = self.place;
            self.complaints.add(lifetime, wrong, help);
        }
    }
}

/// Complains about a boxed error that is not `Send`: an error crosses threads on its way to the
/// caller that waits for it.
pub(super) fn check_sendable(error: &Type, complaints: &mut Complaints) {
    let Type::Path(path) = bare(error) else {
        return;
    };
    let Some(last) = path.path.segments.last().filter(|last| last.ident == "Box") else {
        return;
    };
    let PathArguments::AngleBracketed(generics) = &last.arguments else {
        return;
    };
    let Some(GenericArgument::Type(inner)) = generics.args.first() else {
        return;
    };
    let Type::TraitObject(object) = bare(inner) else {
        return;
    };
    let is_send = object.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => bound
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "Send"),
        _ => false,
    });
    if !is_send {
        let help = "add `+ Send + Sync`: `Box<dyn std::error::Error + Send + Sync>`";
        complaints.add(
            inner,
            "a task's error has to be `Send`, as it goes to who waits for it",
            help,
        );
    }
}
