//! The documentation of a task, which becomes a part of its description.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// Returns the text of the doc comment, without parts that a macro makes.
pub(crate) fn doc(attributes: &[Attribute]) -> String {
    let lines = lines(attributes).filter_map(written);
    let lines: Vec<_> = lines.map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}

/// Returns the lines of the documentation as one constant, if a macro makes any of them.
pub(crate) fn made_doc(attributes: &[Attribute]) -> Option<TokenStream> {
    let is_made = lines(attributes).any(|line| matches!(line, Expr::Macro(_)));
    let lines = lines(attributes).enumerate().flat_map(|(index, line)| {
        [
            (index > 0).then(|| "\n".to_token_stream()),
            Some(written(line).map_or_else(|| line.to_token_stream(), ToTokens::into_token_stream)),
        ]
    });
    let lines = lines.flatten();
    is_made.then(|| quote!(::core::concat!(#(#lines),*)))
}

/// Returns the lines of a doc comment.
fn lines(attributes: &[Attribute]) -> impl Iterator<Item = &Expr> {
    attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => Some(&pair.value),
            _ => None,
        })
}

/// Returns a line that no macro makes, without the space that follows the slashes of a comment.
fn written(line: &Expr) -> Option<String> {
    match line {
        Expr::Lit(ExprLit {
            lit: Lit::Str(line),
            ..
        }) => {
            let line = line.value();
            Some(line.strip_prefix(' ').unwrap_or(&line).to_owned())
        }
        _ => None,
    }
}
