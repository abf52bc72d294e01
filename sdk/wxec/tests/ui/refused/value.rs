#![allow(unused_variables, unused_mut, reason = "bodies are not the point")]

use wxec::remote;

struct Private;

#[remote]
fn value() -> Vec<Private> {
    Vec::new()
}

#[remote]
fn value_or_error() -> Result<Private, String> {
    Ok(Private)
}

type Outcome = Result<u8, Private>;

#[remote]
fn alias() -> Outcome {
    Ok(1)
}

fn main() {}
