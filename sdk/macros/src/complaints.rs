//! Collects all complaints about an item, so that its author sees them at once.

use quote::ToTokens;

/// Compile errors so far.
#[derive(Default)]
pub(crate) struct Complaints(Option<syn::Error>);

impl Complaints {
    /// Complains about `tokens`: what is wrong, and what to do instead.
    pub(crate) fn add(&mut self, tokens: impl ToTokens, wrong: &str, help: &str) {
        self.merge(syn::Error::new_spanned(
            tokens,
            format!("{wrong}\n= help: {help}"),
        ));
    }

    /// Takes over complaints made elsewhere.
    pub(crate) fn merge(&mut self, other: syn::Error) {
        match &mut self.0 {
            Some(error) => error.combine(other),
            none => *none = Some(other),
        }
    }

    /// Complains about each argument of `#[attribute(…)]`, which takes none.
    pub(crate) fn no_arguments(&mut self, attribute: &str, arguments: proc_macro2::TokenStream) {
        use syn::{Meta, Token, parse::Parser, punctuated::Punctuated};

        match Punctuated::<Meta, Token![,]>::parse_terminated.parse2(arguments) {
            Ok(keys) => keys.iter().for_each(|key| {
                let name = key.path().to_token_stream();
                self.add(
                    key,
                    &format!("`#[{attribute}]` has no key `{name}`"),
                    "it takes none: leave it away",
                );
            }),
            Err(error) => self.merge(error),
        }
    }

    /// Returns `value`, or the complaints if there are any.
    pub(crate) fn into_result<T>(self, value: T) -> syn::Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}
