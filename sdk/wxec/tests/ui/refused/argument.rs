#![allow(unused_variables, unused_mut, reason = "bodies are not the point")]

use std::{collections::HashMap, path::Path};

use wxec::remote;

struct Private;

#[remote]
fn owned(n: u8, table: HashMap<String, Private>) -> u8 {
    n
}

#[remote]
fn lent(one: &Private, many: &[Private]) -> u8 {
    0
}

#[remote]
fn object(error: Box<dyn std::error::Error>) -> u8 {
    0
}

#[remote]
fn fine(path: &Path, bytes: &[u8]) -> u8 {
    0
}

#[remote]
fn depends(#[cfg(unix)] path: String, #[cfg(not(unix))] path: u8) {}

fn main() {}
