//! The attributes `#[remote]` and `#[main]` of wxec. Use them as `wxec::remote` and `wxec::main`, where their
//! documentation is.
//!
//! A function is read into a `signature::Task`, which either complains about everything that cannot travel or
//! writes each generated item. What those items do is ordinary code in `wxec::__private`.

use proc_macro::TokenStream;

use crate::surroundings::Surroundings;

mod complaints;
mod expand;
mod main_attr;
mod own_name;
mod record;
mod signature;
mod surroundings;
mod wants;

/// Makes a function callable on other hosts.
#[proc_macro_attribute]
pub fn remote(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let kept = item.clone();
    match signature::Task::parse(arguments.into(), item.into(), &Surroundings::of_call()) {
        Ok(task) => task.expand().into(),
        Err(complaint) => beside(kept, complaint),
    }
}

/// Makes a program's `main` vanish from its module.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let kept = item.clone();
    match main_attr::expand(arguments.into(), item.into()) {
        Ok(tokens) => tokens.into(),
        Err(complaint) => beside(kept, complaint),
    }
}

/// The item stays beside the complaints, or everything that uses it would complain as well.
fn beside(item: TokenStream, complaint: syn::Error) -> TokenStream {
    let mut tokens = item;
    tokens.extend(TokenStream::from(complaint.into_compile_error()));
    tokens
}
