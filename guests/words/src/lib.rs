//! Tasks that work on texts.

#![forbid(unsafe_code)]

use std::{cmp::Reverse, collections::BTreeMap};

use wxec::remote;

pub mod stats;

/// Counts the words of a text.
#[remote]
pub fn count(text: String) -> usize {
    text.split_whitespace().count()
}

/// Returns the `n` most frequent words of a text, the most frequent first, equally frequent ones in
/// alphabetical order.
#[remote]
pub fn top(text: String, n: usize) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for word in text.split_whitespace() {
        *counts.entry(word).or_default() += 1;
    }
    let mut words: Vec<_> = counts.into_iter().collect();
    words.sort_by_key(|(_, count)| Reverse(*count));
    words
        .into_iter()
        .take(n)
        .map(|(word, count)| (word.to_owned(), count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_words() {
        assert_eq!(count("to be or not to be".into()), 6);
        assert_eq!(count(" \n".into()), 0);
    }

    #[test]
    fn equally_frequent_words_are_in_alphabetical_order() {
        let top = top("to be or not to be".into(), 3);
        assert_eq!(top, [("be".into(), 2), ("to".into(), 2), ("not".into(), 1)]);
    }

    #[test]
    fn counts_words_by_length() {
        assert_eq!(stats::lengths("a bb à"), BTreeMap::from([(1, 2), (2, 1)]));
    }
}
