#![allow(unused_variables, unused_mut, reason = "bodies are not the point")]

use wxec::remote;

#[remote]
fn pair((a, b): (u8, u8), _: u8, ref c: u8) -> u8 {
    a + b + c
}

fn main() {}
