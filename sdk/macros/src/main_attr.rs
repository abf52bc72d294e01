//! `#[wxec::main]` empties `main` in a module: nothing calls `main` there, and the code that it
//! needs does not compile there.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, ItemFn};

use crate::complaints::Complaints;

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let main: ItemFn = syn::parse2(item)?;
    check(&main, arguments)?;

    Ok(quote! {
        #[cfg(not(target_family = "wasm"))]
        #main

        #[cfg(target_family = "wasm")]
        fn main() {}
    })
}

fn check(main: &ItemFn, arguments: TokenStream) -> syn::Result<()> {
    let mut complaints = Complaints::default();
    complaints.no_arguments("wxec::main", arguments);
    let signature = &main.sig;
    if signature.ident != "main" {
        complaints.add(
            &signature.ident,
            "`#[wxec::main]` stands on `fn main` alone",
            "put `#[cfg(not(target_family = \"wasm\"))]` on other functions that cannot be part of a module",
        );
    }
    if let Some(asyncness) = signature
        .asyncness
        .filter(|_| !main.attrs.iter().any(runs_async))
    {
        complaints.add(
            asyncness,
            "`#[wxec::main]` brings no async runtime",
            "make it `fn main` and end calls with `.wait()`, or put a runtime's own attribute below this one",
        );
    }
    complaints.into_result(())
}

/// Returns true if an attribute makes an ordinary function of an async one, as `#[tokio::main]`
/// does.
fn runs_async(attribute: &Attribute) -> bool {
    attribute
        .path()
        .segments
        .last()
        .is_some_and(|segment| segment.ident == "main")
}
