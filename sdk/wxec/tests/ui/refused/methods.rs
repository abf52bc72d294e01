#![allow(unused_variables, unused_mut, reason = "bodies are not the point")]

use wxec::remote;

struct Counter(usize);

impl Counter {
    #[remote]
    fn count(&self, text: String) -> usize {
        self.0 + text.len()
    }

    #[remote]
    fn new() -> u8 {
        0
    }
}

trait Count {
    #[remote]
    fn count(self, text: String) -> usize;
}

fn main() {}
