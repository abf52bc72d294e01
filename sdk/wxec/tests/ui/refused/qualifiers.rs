#![allow(unused_variables, unused_mut, reason = "bodies are not the point")]

use wxec::remote;

#[remote]
const fn constant() -> u8 {
    1
}

#[remote]
unsafe fn dangerous() {}

#[remote]
extern "C" fn foreign() {}

#[remote]
fn never() -> ! {
    loop {}
}

#[remote]
fn main() {}
