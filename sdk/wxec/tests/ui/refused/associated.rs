//! Functions that belong to a type.

use wxec::remote;

struct Counter;

impl Counter {
    #[remote]
    fn new() -> Self {
        Self
    }

    #[remote]
    fn total(text: String) -> usize {
        text.len()
    }
}

trait Work {
    #[remote]
    fn work() -> u8 {
        0
    }
}

fn main() {}
