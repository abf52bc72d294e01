//! Guesses at misspelled names.

/// Likeness from which on a name may be a misspelling of another.
const ALIKE: f64 = 0.8;

/// Returns the one of `names` that `name` is most likely a misspelling of.
pub(super) fn similar<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| {
            let is_one_off = *distance <= 1 && name.chars().count() > 2;
            is_one_off || strsim::jaro_winkler(name, known) >= ALIKE
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_names_are_guessed() {
        let names = ["web1", "web10", "database", "address"];
        assert_eq!(similar("wbe1", names), Some("web1"));
        assert_eq!(similar("adress", names), Some("address"));
        assert_eq!(similar("datbase", names), Some("database"));
        assert_eq!(similar("mail", names), None);
        assert_eq!(similar("wbe", ["web", "x"]), Some("web"));
        assert_eq!(similar("x", ["y"]), None);
    }
}
