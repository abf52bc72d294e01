//! Any bytes as a task's stream, split anywhere: no panic, no more memory than arrived, and the
//! same items for every way of splitting.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wxec_fuzz::takes_bounded_memory;
use wxec_protocol::{ItemError, Items};

fuzz_target!(|input: (u8, &[u8])| {
    let (part, bytes) = input;
    let mut whole = None;
    takes_bounded_memory(bytes.len(), || whole = Some(received(bytes, usize::MAX)));
    let (items, error) = whole.expect("it was just received");
    assert_eq!(
        (&items, &error),
        (
            &received(bytes, usize::from(part) + 1).0,
            &received(bytes, 1).1
        ),
        "cut otherwise"
    );
    let taken: usize = items.iter().map(|item| item.len() + size_of::<u32>()).sum();
    assert!(
        taken <= bytes.len(),
        "{taken} bytes of items in {}",
        bytes.len()
    );
});

/// Receives the bytes in parts of this size; returns the items, and the error at the end.
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
