#![allow(unused_variables, unused_mut, reason = "bodies are not the point")]

use wxec::remote;

#[remote]
fn ty<T: Clone, U>(value: T, other: U) -> T {
    value
}

#[remote]
fn lifetime<'a>(text: &'a str) -> usize {
    text.len()
}

#[remote]
fn constant<const N: usize>(values: [u8; N]) -> usize {
    N
}

#[remote]
fn clause(text: String) -> usize
where
    String: Clone,
{
    text.len()
}

#[remote]
fn opaque_parameter(words: impl IntoIterator<Item = String>, more: Vec<impl Clone>) -> usize {
    words.into_iter().count()
}

#[remote]
fn opaque_value(text: String) -> impl Clone {
    text
}

fn main() {}
