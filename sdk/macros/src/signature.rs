//! Reads a function marked `#[remote]`, and complains about what cannot travel to another host.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Expr, ExprLit, FnArg, GenericArgument, Item, ItemFn, Lifetime, Lit, Meta, Pat,
    PatType, Path, PathArguments, ReturnType, Signature, Type, TypeImplTrait, TypeParamBound,
    TypeReference, ext::IdentExt, parse_quote, visit::Visit,
};

use crate::{
    complaints::Complaints,
    own_name::with_crates_named,
    surroundings::{Surroundings, associated},
    wants::Wants,
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
        let (wants, krate) = Wants::parse(arguments, &mut complaints);

        let function = match syn::parse2(item)? {
            Item::Fn(function) => with_crates_named(function),
            other => {
                complaints.add(
                    other,
                    "`#[remote]` stands on functions that have a body",
                    "mark a free function, which may use this",
                );
                return complaints
                    .into_result(())
                    .map(|()| unreachable!("there is a complaint"));
            }
        };
        check_doubled(&function.attrs, &mut complaints);
        check_qualifiers(&function.sig, &mut complaints);
        check_place(&function, surroundings, &mut complaints);
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
            krate,
        })
    }

    /// Returns the function's name as callers on other hosts use it.
    pub(crate) fn name(&self) -> String {
        self.function.sig.ident.unraw().to_string()
    }
}

/// Complains about a second `#[remote]`: the first one sees it among the attributes.
fn check_doubled(attributes: &[Attribute], complaints: &mut Complaints) {
    let is_remote = |attribute: &&Attribute| {
        attribute
            .path()
            .segments
            .last()
            .is_some_and(|last| last.ident == "remote")
    };
    for attribute in attributes.iter().filter(is_remote) {
        let help = "leave one away, with its keys in the other";
        complaints.add(attribute, "`#[remote]` stands twice on this function", help);
    }
}

/// Complains about a function of a type. If it has `self`, `parameter` complains instead. `Self`
/// proves an `impl` even if the file cannot be read.
fn check_place(function: &ItemFn, surroundings: &Surroundings, complaints: &mut Complaints) {
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

fn check_qualifiers(signature: &Signature, complaints: &mut Complaints) {
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
    if let Some(unsafety) = signature.unsafety {
        complaints.add(
            unsafety,
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

fn parameter(input: &FnArg, complaints: &mut Complaints) -> Option<Parameter> {
    let PatType { pat, ty, attrs, .. } = match input {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(receiver) => {
            let help =
                "make it a free function, and pass what it needs of the value as a parameter";
            complaints.add(receiver, "a task cannot take `self`", help);
            return None;
        }
    };
    for attribute in attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
    {
        let help = "mark whole functions, one for each case: caller and module may be compiled differently";
        complaints.add(
            attribute,
            "a parameter of a task cannot depend on `cfg`",
            help,
        );
    }
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

/// Complains about a boxed error that is not `Send`: an error crosses threads on its way to the
/// caller that waits for it.
fn check_sendable(error: &Type, complaints: &mut Complaints) {
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

fn is_byte(ty: &Type) -> bool {
    matches!(bare(ty), Type::Path(path) if path.path.is_ident("u8"))
}

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

/// Returns true if the type may be another one than its name says. The most common names are
/// trusted, so that a stub's signature is easy to read.
pub(crate) fn may_be_alias(ty: &Type) -> bool {
    const PLAIN: [&str; 21] = [
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16",
        "u32", "u64", "u128", "usize", "str", "String", "Vec", "Option", "Box",
    ];
    match bare(ty) {
        Type::Path(path) => match path.path.segments.first() {
            Some(only) if path.qself.is_none() && path.path.segments.len() == 1 => {
                !PLAIN.iter().any(|name| only.ident == name)
            }
            _ => true,
        },
        Type::Macro(_) => true,
        _ => false,
    }
}

/// Returns true if the last word of a type, without its generics, is `name`.
pub(crate) fn is_called(ty: &Type, name: &str) -> bool {
    matches!(bare(ty), Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

/// Returns the types in `…::Result<…>`.
pub(crate) fn arguments_of_result(ty: &Type) -> Option<impl Iterator<Item = &Type>> {
    let Type::Path(path) = bare(ty) else {
        return None;
    };
    let last = path
        .path
        .segments
        .last()
        .filter(|last| last.ident == "Result")?;
    let PathArguments::AngleBracketed(generics) = &last.arguments else {
        return None;
    };
    Some(generics.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }))
}

/// Returns the type without the invisible group that `macro_rules!` puts around `$t:ty`, and
/// without parentheses.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(line),
                    ..
                }) => Some(line.value()),
                _ => None,
            },
            _ => None,
        });
    let lines: Vec<_> = lines
        .map(|line| {
            line.strip_prefix(' ')
                .unwrap_or(&line)
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.join("\n").trim().to_owned()
}

/// Returns the lines of the documentation as one constant, if a macro makes any of them.
fn made_doc(attributes: &[Attribute]) -> Option<TokenStream> {
    let lines = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => Some(&pair.value),
            _ => None,
        });
    let lines: Vec<_> = lines.collect();
    let is_made = lines.iter().any(|line| matches!(line, Expr::Macro(_)));
    let lines = lines.iter().enumerate().flat_map(|(index, line)| {
        [
            (index > 0).then(|| "\n".to_token_stream()),
            Some(match line {
                // Removes the space that follows the slashes of a comment.
                Expr::Lit(ExprLit {
                    lit: Lit::Str(line),
                    ..
                }) => {
                    let line = line.value();
                    line.strip_prefix(' ').unwrap_or(&line).to_token_stream()
                }
                line => line.to_token_stream(),
            }),
        ]
    });
    let lines = lines.flatten();
    is_made.then(|| quote!(::core::concat!(#(#lines),*)))
}

/// Visits a type that must make sense on another host, and complains about the parts that do not.
struct Travels<'a> {
    complaints: &'a mut Complaints,
    statics: Statics,
    place: Place,
}

/// Says if `&'static` may stand in the type: an error such as `&'static str` travels as its text.
#[derive(PartialEq)]
enum Statics {
    Allowed,
    Refused,
}

/// The complaint about a borrow, and the help, by the place of the type.
type Place = (&'static str, &'static str);
const PARAMETER: Place = (
    "only a whole argument can be lent",
    "own what is inside, such as `Vec<String>`",
);
const VALUE: Place = (
    "a task cannot return a borrow",
    "return an owned value, such as `String` or `Vec<T>`",
);

impl<'a> Travels<'a> {
    fn check(ty: &Type, complaints: &'a mut Complaints, statics: Statics, place: Place) {
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
