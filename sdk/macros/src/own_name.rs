//! Handles a task that has the name of a crate it uses: `fn uuid() -> uuid::Uuid`. The type beside
//! the function has the same name and only the function `on`. So any other path that begins with
//! the name means the crate; this puts `::` before it.

use proc_macro2::{Ident, Punct, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Item, ItemFn, UseTree, ext::IdentExt, visit::Visit};

/// Returns the function with `NAME::…` replaced by `::NAME::…`.
pub(crate) fn with_crates_named(function: ItemFn) -> ItemFn {
    let name = function.sig.ident.clone();
    let (tokens, changed) = rooted(function.to_token_stream(), &name);
    if changed == 0 {
        return function;
    }
    let function = Item::Fn(function);
    let rooted = (!declares(&function, &name))
        .then(|| syn::parse2(tokens).ok())
        .flatten();
    rooted.unwrap_or_else(|| match function {
        Item::Fn(function) => function,
        _ => unreachable!("it is one"),
    })
}

/// Returns true if `item` declares an item of this name inside: paths in it may mean that item.
pub(crate) fn declares(item: &Item, name: &Ident) -> bool {
    let mut declared = Declared { name, found: false };
    declared.visit_item(item);
    declared.found
}

/// Returns the tokens with `::` before each path that begins with `name`, and the number of these
/// paths.
fn rooted(tokens: TokenStream, name: &Ident) -> (TokenStream, usize) {
    let is_colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut changed = 0;
    let mut written = TokenStream::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => {
                let (inner, more) = rooted(group.stream(), name);
                changed += more;
                let mut other = proc_macro2::Group::new(group.delimiter(), inner);
                other.set_span(group.span());
                written.extend([if more == 0 {
                    token.clone()
                } else {
                    other.into()
                }]);
                continue;
            }
            TokenTree::Ident(ident) if ident == name => {
                let follows = [1, 2, 3].map(|ahead| tokens.get(index + ahead));
                let is_path = is_colon(follows[0]) && is_colon(follows[1]);
                let is_inside = index >= 2
                    && is_colon(tokens.get(index - 1))
                    && is_colon(tokens.get(index - 2));
                let is_item = match follows[2] {
                    Some(TokenTree::Ident(item)) => item != "on",
                    // As in `use NAME::{…}` and `use NAME::*`.
                    Some(TokenTree::Group(_)) => true,
                    Some(TokenTree::Punct(punct)) => punct.as_char() == '*',
                    _ => false,
                };
                if is_path && is_item && !is_inside {
                    changed += 1;
                    for spacing in [Spacing::Joint, Spacing::Alone] {
                        let mut colon = Punct::new(':', spacing);
                        colon.set_span(ident.span());
                        written.extend([TokenTree::from(colon)]);
                    }
                }
            }
            _ => {}
        }
        written.extend([token.clone()]);
    }
    (written, changed)
}

struct Declared<'a> {
    name: &'a Ident,
    found: bool,
}

impl Visit<'_> for Declared<'_> {
    fn visit_item(&mut self, item: &Item) {
        let ident = match item {
            Item::Mod(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::ExternCrate(item) => item
                .rename
                .as_ref()
                .map_or(&item.ident, |(_, rename)| rename),
            _ => return syn::visit::visit_item(self, item),
        };
        self.found |= ident.unraw() == self.name.unraw();
        syn::visit::visit_item(self, item);
    }

    fn visit_use_tree(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Name(name) => self.found |= name.ident == *self.name,
            UseTree::Rename(rename) => self.found |= rename.rename == *self.name,
            _ => {}
        }
        syn::visit::visit_use_tree(self, tree);
    }
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[track_caller]
    fn assert_becomes(function: TokenStream, expected: TokenStream) {
        let function = with_crates_named(syn::parse2(function).unwrap());
        assert_eq!(function.to_token_stream().to_string(), expected.to_string());
    }

    #[track_caller]
    fn assert_stays(function: TokenStream) {
        assert_becomes(function.clone(), function);
    }

    #[test]
    fn paths_of_a_crate_say_so() {
        assert_becomes(
            quote! {
                fn uuid(a: &uuid::Uuid) -> Vec<uuid::Uuid> {
                    use uuid::{Uuid, fmt};
                    let uuid = uuid::Uuid::nil();
                    println!("{}", uuid::Uuid::max());
                    other::uuid::f(uuid);
                    uuid::on(&host)
                }
            },
            quote! {
                fn uuid(a: &::uuid::Uuid) -> Vec< ::uuid::Uuid> {
                    use ::uuid::{Uuid, fmt};
                    let uuid = ::uuid::Uuid::nil();
                    println!("{}", ::uuid::Uuid::max());
                    other::uuid::f(uuid);
                    uuid::on(&host)
                }
            },
        );
    }

    #[test]
    fn paths_of_anything_else_stay() {
        assert_stays(quote!(
            fn uuid(a: ::uuid::Uuid) {
                uuid(a);
                self::uuid::f();
                uuid::on(&host, a);
                x.uuid::<u8>()
            }
        ));
        assert_stays(quote!(
            fn uuid() {
                enum uuid {
                    A,
                }
                uuid::A;
            }
        ));
        assert_stays(quote!(
            fn uuid() {
                use other::uuid;
                uuid::f()
            }
        ));
        assert_stays(quote!(
            fn uuid() {
                use other::{a, b as uuid};
                uuid::f()
            }
        ));
        assert_stays(quote!(
            fn uuid() {
                if true {
                    mod uuid {}
                    uuid::f()
                }
            }
        ));
    }
}
