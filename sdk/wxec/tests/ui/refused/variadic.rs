#![allow(unused_variables, unused_mut, reason = "bodies are not the point")]

use wxec::remote;

#[remote]
unsafe extern "C" fn sum(count: u32, mut rest: ...) -> u32 {
    count
}

fn main() {}
