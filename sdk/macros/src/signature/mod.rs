//! Reads a function marked `#[remote]`, and complains about what cannot travel to another host.

mod checks;
mod docs;
mod travels;

use std::mem;

use proc_macro2::{Ident, TokenStream};
use syn::{FnArg, Item, ItemFn, Pat, PatType, Path, ReturnType, Type, ext::IdentExt, parse_quote};

pub(crate) use self::docs::{doc, made_doc};
use self::{
    checks::{check_cfg, check_doubled, check_place, check_qualifiers},
    travels::{PARAMETER, Statics, Travels, VALUE, check_sendable},
};
use crate::{
    complaints::Complaints,
    own_name::with_crates_named,
    plan::Plan,
    surroundings::Surroundings,
    types::{arguments_of_result, bare, is_byte, may_be_alias},
    wants::{Attribute, REMOTE, Wants},
};

/// A function that can run on another host.
pub(crate) struct Task {
    pub(crate) function: ItemFn,
    /// Text of its doc comment, without parts that a macro makes.
    pub(crate) doc: String,
    /// The whole doc comment as an expression, if a macro makes a part of it, such as
    /// `#[doc = stringify!(…)]`: only rustc knows the text.
    pub(crate) made_doc: Option<TokenStream>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Returns,
    pub(crate) wants: Wants,
    /// The crate `wxec`, by its name in the user's crate.
    pub(crate) krate: Path,
    /// The plan, if the task carries out orders for one.
    pub(crate) plan: Option<Plan>,
}

pub(crate) struct Parameter {
    pub(crate) ident: Ident,
    /// Its type, as written.
    pub(crate) ty: Type,
    /// The type of the value that is sent: the parameter's type, without its `&`.
    pub(crate) sent: Type,
    pub(crate) passing: Passing,
}

/// The form in which the function gets a value that was sent.
pub(crate) enum Passing {
    /// By value.
    Owned,
    /// As a reference to the owned form of its type, which is decoded.
    Lent,
    /// As a reference to a `[u8]`, which is sent as one byte string.
    LentBytes,
}

/// The return type of a task.
pub(crate) enum Returns {
    /// A value: the name of its type is no alias.
    Value(Type),
    /// A value, a `Result` or a stream: only rustc can tell, because the name may be an alias.
    Named(Type),
}

impl Returns {
    /// The whole type, as written.
    pub(crate) fn ty(&self) -> &Type {
        let (Self::Value(ty) | Self::Named(ty)) = self;
        ty
    }
}

impl Task {
    /// Reads the item that `#[remote(arguments)]` stands on.
    pub(crate) fn parse(
        arguments: TokenStream,
        item: TokenStream,
        surroundings: &Surroundings,
    ) -> syn::Result<Self> {
        let mut complaints = Complaints::default();
        let (wants, krate) = Wants::parse(&REMOTE, arguments, |_, _| false, &mut complaints);

        let function = free_function(&REMOTE, item, surroundings, &mut complaints)?;
        let parameters = function
            .sig
            .inputs
            .iter()
            .filter_map(|input| parameter(input, &mut complaints))
            .collect();
        let returns = returns(&function.sig.output, &mut complaints);
        let (doc, made_doc) = (doc(&function.attrs), made_doc(&function.attrs));
        complaints.into_result(Self {
            function,
            doc,
            made_doc,
            parameters,
            returns,
            wants,
            krate: krate.unwrap_or_else(|| parse_quote!(::wxec)),
            plan: None,
        })
    }

    /// Returns the function's name as callers on other hosts use it.
    pub(crate) fn name(&self) -> String {
        self.function.sig.ident.unraw().to_string()
    }
}

/// Reads the function that an attribute stands on, and complains about functions that cannot travel
/// whatever their parameters are.
pub(crate) fn free_function(
    attribute: &Attribute,
    item: TokenStream,
    surroundings: &Surroundings,
    complaints: &mut Complaints,
) -> syn::Result<ItemFn> {
    let function = match syn::parse2(item)? {
        Item::Fn(function) => with_crates_named(function),
        other => {
            complaints.add(
                other,
                &format!(
                    "`#[{}]` stands on functions that have a body",
                    attribute.name
                ),
                "mark a free function, which may use this",
            );
            return mem::take(complaints)
                .into_result(())
                .map(|()| unreachable!("there is a complaint"));
        }
    };
    check_doubled(attribute, &function.attrs, complaints);
    check_qualifiers(&function.sig, complaints);
    check_place(&function, surroundings, complaints);
    Ok(function)
}

/// Reads a parameter.
pub(crate) fn parameter(input: &FnArg, complaints: &mut Complaints) -> Option<Parameter> {
    let PatType { pat, ty, attrs, .. } = match input {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(receiver) => {
            let help =
                "make it a free function, and pass what it needs of the value as a parameter";
            complaints.add(receiver, "a task cannot take `self`", help);
            return None;
        }
    };
    check_cfg(attrs, complaints);
    let (sent, passing) = sent(ty, complaints);
    match &**pat {
        Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => Some(Parameter {
            ident: name.ident.clone(),
            ty: (**ty).clone(),
            sent: sent.clone(),
            passing,
        }),
        other => {
            let help = "take the whole value by a name, and match on it in the body";
            complaints.add(
                other,
                "a parameter of a task needs a name, as callers may use it",
                help,
            );
            None
        }
    }
}

/// Returns the type that travels for a parameter of type `ty`, and the form in which the function
/// gets the value.
fn sent<'a>(ty: &'a Type, complaints: &mut Complaints) -> (&'a Type, Passing) {
    let Type::Reference(reference) = bare(ty) else {
        Travels::check(ty, complaints, Statics::Refused, PARAMETER);
        return (ty, Passing::Owned);
    };
    if reference.mutability.is_some() {
        let help = "take the value itself, and return the changed one";
        complaints.add(
            ty,
            "a task cannot change a value of its caller, who is on another host",
            help,
        );
    }
    if let Some(lifetime) = &reference.lifetime {
        complaints.add(
            lifetime,
            "an argument is lent for the time of the call only",
            "leave the lifetime away",
        );
    }
    Travels::check(&reference.elem, complaints, Statics::Refused, PARAMETER);
    match bare(&reference.elem) {
        bytes @ Type::Slice(slice) if is_byte(&slice.elem) => (bytes, Passing::LentBytes),
        lent => (lent, Passing::Lent),
    }
}

/// Reads the type of the returned value.
fn returns(output: &ReturnType, complaints: &mut Complaints) -> Returns {
    let ty = match output {
        ReturnType::Default => return Returns::Value(parse_quote!(())),
        ReturnType::Type(_, ty) => &**ty,
    };
    if let Type::Never(never) = bare(ty) {
        complaints.add(
            never,
            "a task cannot have the type `!`",
            "leave the return type away",
        );
    }
    match arguments_of_result(ty) {
        Some(mut arguments) => {
            if let Some(value) = arguments.next() {
                Travels::check(value, complaints, Statics::Refused, VALUE);
            }
            arguments.for_each(|error| {
                Travels::check(error, complaints, Statics::Allowed, VALUE);
                check_sendable(error, complaints);
            });
        }
        None => Travels::check(ty, complaints, Statics::Refused, VALUE),
    }
    if may_be_alias(ty) {
        Returns::Named(ty.clone())
    } else {
        Returns::Value(ty.clone())
    }
}
