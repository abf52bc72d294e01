#![allow(unused_variables, unused_mut, reason = "bodies are not the point")]

use wxec::remote;

#[remote(fast)]
unsafe fn everything<T>(&self, text: &mut String, (a, b): (T, &str)) -> &str {
    text
}

fn main() {}
