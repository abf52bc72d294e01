//! The attributes `#[remote]`, `#[plan]` and `#[main]` of wxec. Use them as `wxec::remote`,
//! `wxec_plan::plan` and `wxec::main`, where their documentation is.
//!
//! `signature::Task` reads a function, and complains about everything that cannot travel. If there
//! is nothing to complain about, it writes each generated item. These items call ordinary code in
//! `wxec::__private`.

use proc_macro::TokenStream;

use crate::surroundings::Surroundings;

mod complaints;
mod expand;
mod main_attr;
mod own_name;
mod plan;
mod record;
mod signature;
mod surroundings;
mod types;
mod wants;
mod words;

/// Makes a function callable on other hosts.
#[proc_macro_attribute]
pub fn remote(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let kept = item.clone();
    match signature::Task::parse(arguments.into(), item.into(), &Surroundings::of_call()) {
        Ok(task) => task.expand().into(),
        Err(complaint) => beside(kept, complaint),
    }
}

/// Makes a function a plan, which sets up the host that it runs on.
#[proc_macro_attribute]
pub fn plan(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let kept = item.clone();
    match plan::expand(arguments.into(), item.into(), &Surroundings::of_call()) {
        Ok(tokens) => tokens.into(),
        Err(complaint) => beside(kept, complaint),
    }
}

/// Leaves a program's `main` empty in its module.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let kept = item.clone();
    match main_attr::expand(arguments.into(), item.into()) {
        Ok(tokens) => tokens.into(),
        Err(complaint) => beside(kept, complaint),
    }
}

/// Keeps the item beside the complaints; without it, all code that uses the item would fail as
/// well.
fn beside(item: TokenStream, complaint: syn::Error) -> TokenStream {
    let mut tokens = item;
    tokens.extend(TokenStream::from(complaint.into_compile_error()));
    tokens
}
