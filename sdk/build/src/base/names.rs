//! Names in messages: those that look like the one that was typed.

/// Returns true if one name is probably a misspelling of the other: it contains the other, or at
/// most a third of it differs.
pub(crate) fn looks_like(one: &str, other: &str) -> bool {
    one.contains(other)
        || other.contains(one)
        || distance(one, other) <= one.len().max(other.len()).div_ceil(3)
}

/// Returns the number of letters to insert, remove or replace to turn one name into the other
/// (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, &theirs) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != theirs);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

/// Returns some of many names: those that look like the one that was typed, else the first.
pub(crate) fn listed(names: &[String], typed: &str) -> Vec<String> {
    /// As many as fit on a few lines.
    const MOST: usize = 16;
    if names.len() <= MOST {
        return names.to_vec();
    }
    let mut near: Vec<String> = names
        .iter()
        .filter(|name| looks_like(name, typed))
        .take(MOST)
        .cloned()
        .collect();
    if near.is_empty() {
        near.extend_from_slice(&names[..MOST]);
    }
    near
}

/// Lists names for a message.
pub(crate) fn quoted(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_were_probably_meant() {
        assert_eq!(distance("words", "wrods"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert!(looks_like("words", "word"));
        assert!(looks_like("words", "wrods"));
        assert!(looks_like("my-words", "words"));
        assert!(!looks_like("words", "facts"));
    }
}
