#![allow(unused_variables, unused_mut, reason = "bodies are not the point")]

use std::borrow::Cow;

use wxec::remote;

#[remote]
fn change(text: &mut String) {
    text.clear();
}

#[remote]
fn within(words: Vec<&str>, word: Option<Cow<'_, str>>) -> usize {
    words.len()
}

#[remote]
fn twice(text: &&str) -> usize {
    text.len()
}

#[remote]
fn forever(text: &'static str) -> usize {
    text.len()
}

#[remote]
fn first(text: String) -> &'static str {
    "first"
}

#[remote]
fn words(text: &str) -> Result<Vec<&str>, String> {
    Ok(text.split(' ').collect())
}

fn main() {}
