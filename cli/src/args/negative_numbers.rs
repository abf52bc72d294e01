//! Negative numbers among the arguments of a call, which clap would take for options.

use std::{convert::Infallible, ffi::OsString};

/// Mark before a negative number that clap would take for an option, such as `-1e-3`, `-.5` or
/// `-inf`. The mark is NUL, which no argument of a process can contain.
const MARK: char = '\0';

/// Returns the words of a command line with the negative numbers among the arguments of `call`
/// marked, so that clap does not take them for options.
pub(crate) fn with_negative_numbers(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<_> = words.collect();
    let command = words
        .iter()
        .skip(1)
        .position(|word| !word.as_encoded_bytes().starts_with(b"-"));
    // The command is the first word without a dash, because the options before it take no values.
    let arguments = command
        .filter(|command| words[command + 1] == "call")
        .map(|command| command + 2);
    for word in arguments
        .and_then(|first| words.get_mut(first..))
        .unwrap_or_default()
    {
        if let Some(text) = word
            .to_str()
            .filter(|text| text.starts_with('-') && text.parse::<f64>().is_ok())
        {
            *word = format!("{MARK}{text}").into();
        }
    }
    words
}

/// Returns an argument as the user typed it, without the mark.
pub(crate) fn without_mark(word: &str) -> Result<String, Infallible> {
    Ok(word.strip_prefix(MARK).unwrap_or(word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_numbers_are_no_options() {
        let words = [
            "wxec", "-1", "call", "h", "m::f", "-1", "-1e-3", "-.5", "-inf", "-q", "--", "-2.5E+7",
            "-x1",
        ];
        let marked = with_negative_numbers(words.iter().map(OsString::from));
        let kept: Vec<_> = words
            .iter()
            .zip(&marked)
            .filter(|(word, marked)| *word == marked)
            .map(|pair| *pair.0)
            .collect();
        assert_eq!(kept, ["wxec", "-1", "call", "h", "m::f", "-q", "--", "-x1"]);
        let unmarked = marked
            .iter()
            .map(|word| without_mark(word.to_str().unwrap()).unwrap());
        assert_eq!(unmarked.collect::<Vec<_>>(), words);

        for words in [
            &["wxec", "exec", "h", "--", "call", "-1.5"][..],
            &["wxec", "-q"],
            &["wxec"],
            &[],
        ] {
            assert_eq!(
                with_negative_numbers(words.iter().map(OsString::from)),
                words,
                "no call"
            );
        }
    }
}
