//! Any bytes as what a task sends, cut anywhere: no panic, no more memory than arrived, and the same items however they are
//! cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wxec_fuzz::takes_bounded_memory;
use wxec_protocol::{ItemError, Items};

fuzz_target!(|input: (u8, &[u8])| {
    let (part, bytes) = input;
    let mut whole = None;
    takes_bounded_memory(bytes.len(), || whole = Some(received(bytes, usize::MAX)));
    let (items, error) = whole.expect("it was just received");
    assert_eq!((&items, &error), (&received(bytes, usize::from(part) + 1).0, &received(bytes, 1).1), "cut otherwise");
    let taken: usize = items.iter().map(|item| item.len() + size_of::<u32>()).sum();
    assert!(taken <= bytes.len(), "{taken} bytes of items in {}", bytes.len());
});

/// What arrives in parts of this size: the items, and what is wrong in the end.
fn received(bytes: &[u8], part: usize) -> (Vec<Vec<u8>>, Option<ItemError>) {
    let (mut items, mut found) = (Items::default(), Vec::new());
    for bytes in bytes.chunks(part.min(bytes.len().max(1))) {
        items.push(bytes);
        loop {
            match items.next_item() {
                Ok(Some(item)) => found.push(item.to_vec()),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, items.finish().err())
}
