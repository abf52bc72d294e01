//! Numbers about a text.

use std::collections::BTreeMap;

use wxec::remote;

/// Counts the words of each length, in letters.
#[remote]
pub fn lengths(text: &str) -> BTreeMap<usize, usize> {
    let mut lengths = BTreeMap::new();
    for word in text.split_whitespace() {
        *lengths.entry(word.chars().count()).or_default() += 1;
    }
    lengths
}
