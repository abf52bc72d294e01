//! Words of a shell's line: their meaning, how they were written, and how they are quoted. The
//! words find a path in the line; only the remote shell interprets the line in full.

use std::ops::Range;

/// A word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// The word's place in the line.
    pub(crate) at: Range<usize>,
    /// The word's meaning, with quotes and backslashes resolved.
    pub(crate) text: Vec<u8>,
    /// For each byte of `text`, the place in the line where it ends, and the quotes around it.
    ends: Vec<(usize, Option<u8>)>,
}

impl Word {
    /// Returns the rest of the word as it was written, after the first `bytes` of its meaning.
    pub(crate) fn written_after(&self, line: &[u8], bytes: usize) -> Vec<u8> {
        let (from, quote) = match bytes {
            0 => (self.at.start, None),
            bytes => self.ends[bytes - 1],
        };
        quote
            .into_iter()
            .chain(line[from..self.at.end].iter().copied())
            .collect()
    }
}

/// Splits `line` into words, like a POSIX shell that expands nothing.
pub(crate) fn words(line: &[u8]) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote = None;
    let mut bytes = line.iter().copied().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        if quote.is_none() && byte.is_ascii_whitespace() {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_with(|| Word {
            at: at..at,
            text: Vec::new(),
            ends: Vec::new(),
        });
        let meant = match (byte, quote) {
            (b'\'' | b'"', None) => {
                quote = Some(byte);
                None
            }
            (byte, Some(open)) if byte == open => {
                quote = None;
                None
            }
            (b'\\', None) => bytes.next(),
            (b'\\', Some(b'"')) => Some(
                bytes
                    .next_if(|(_, next)| b"\"\\$`".contains(next))
                    .unwrap_or((at, byte)),
            ),
            _ => Some((at, byte)),
        };
        word.at.end = meant.map_or(at, |(at, _)| at) + 1;
        if let Some((at, byte)) = meant {
            word.text.push(byte);
            word.ends.push((at + 1, quote));
        }
    }
    words.extend(word);
    words
}

/// Quotes a word for a POSIX shell, if it needs that.
pub(crate) fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        words(line.as_bytes())
            .into_iter()
            .map(|word| String::from_utf8(word.text).unwrap())
            .collect()
    }

    #[test]
    fn quotes_and_backslashes_are_as_in_a_shell() {
        assert_eq!(texts("scp -t  my\\ dir/x"), ["scp", "-t", "my dir/x"]);
        assert_eq!(
            texts(r"git-upload-pack 'it'\''s'\!' here'"),
            ["git-upload-pack", "it's! here"]
        );
        assert_eq!(texts(r#"a"b \"c\" \d"e '' "#), ["ab \"c\" \\de", ""]);
        assert_eq!(texts("'open"), ["open"]);
        assert_eq!(texts("end\\"), ["end"]);
        assert_eq!(texts(" \n"), [""; 0]);
    }

    /// Lines come from tools, and contain names of files that strangers may have chosen.
    #[test]
    fn whatever_stands_in_a_line_can_be_written_again() {
        const BYTES: &[u8] = b"a:'\"\\ $\n\xff";
        for number in 0..BYTES.len().pow(5) {
            let line: Vec<u8> = (0..5)
                .map(|place| BYTES[number / BYTES.len().pow(place) % BYTES.len()])
                .collect();
            for word in words(&line) {
                let again = word.written_after(&line, 0);
                assert_eq!(
                    words(&again).first().map(|again| &again.text),
                    Some(&word.text),
                    "{line:?}"
                );
                for bytes in 1..=word.text.len() {
                    let rest = words(&word.written_after(&line, bytes));
                    let rest = rest.first().map_or(&b""[..], |rest| &rest.text);
                    assert_eq!(rest, &word.text[bytes..], "{line:?} after {bytes}");
                }
            }
        }
    }

    #[test]
    fn the_rest_of_a_word_is_written_as_it_was() {
        for (line, bytes, rest) in [
            ("ab:my\\ dir", 3, "my\\ dir"),
            ("'ab:my dir'", 3, "'my dir'"),
            ("\"ab:$HOME\"", 3, "\"$HOME\""),
            (r"'ab:it'\''s'", 3, r"'it'\''s'"),
            ("a\\b:x", 3, "x"),
            ("'ab:'", 3, "''"),
            ("ab", 0, "ab"),
            ("'ab'", 0, "'ab'"),
        ] {
            let word = words(line.as_bytes()).remove(0);
            assert_eq!(
                String::from_utf8(word.written_after(line.as_bytes(), bytes)).unwrap(),
                rest,
                "{line}"
            );
        }
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, quoted) in [
            ("-o", "-o"),
            ("a=b", "a=b"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$x", "'$x'"),
            ("~", "'~'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }
}
