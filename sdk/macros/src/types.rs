//! Types as they are written: only rustc knows what their names stand for.

use syn::{GenericArgument, PathArguments, Type};

/// Returns the type without the invisible group that `macro_rules!` puts around `$t:ty`, and
/// without parentheses.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

/// Returns true for `u8`.
pub(crate) fn is_byte(ty: &Type) -> bool {
    matches!(bare(ty), Type::Path(path) if path.path.is_ident("u8"))
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
