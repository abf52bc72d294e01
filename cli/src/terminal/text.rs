//! Lines as they are printed. Hosts and guests are not trusted with a terminal: there, and only
//! there, control characters are replaced.

use std::borrow::Cow;

/// Puts the host's name before a line. On a terminal the name has a color, unless `NO_COLOR` is
/// set. Elsewhere the line's bytes stay unchanged.
pub(crate) fn tagged(host: &str, line: &[u8], terminal: bool) -> Vec<u8> {
    let may_have_color = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let tag = if terminal && may_have_color {
        format!("\u{1b}[36m[{host}]\u{1b}[0m ")
    } else {
        format!("[{host}] ")
    };
    [tag.as_bytes(), &shown(line, terminal), b"\n"].concat()
}

/// Returns a line as it is to be printed: on a terminal, with control characters replaced.
pub(crate) fn shown(line: &[u8], terminal: bool) -> Cow<'_, [u8]> {
    if terminal {
        printable(&String::from_utf8_lossy(line))
            .into_bytes()
            .into()
    } else {
        line.into()
    }
}

/// Replaces control characters, which a terminal could obey, except tabs and line ends.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && !"\n\t".contains(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// Returns the lines of `text` without their line ends; a single empty line if `text` is empty.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.strip_suffix(b"\n")
        .unwrap_or(text)
        .split(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_not_at_the_mercy_of_guests() {
        assert_eq!(
            printable("a\tb\u{1b}[31m\u{9b}2J\r\u{7}\né"),
            "a\tb\u{fffd}[31m\u{fffd}2J\u{fffd}\u{fffd}\né"
        );
    }

    #[test]
    fn names_of_hosts_have_a_color_on_terminals_only() {
        assert_eq!(tagged("web1", b"a\x1bb\xff", false), b"[web1] a\x1bb\xff\n");
        let shown = String::from_utf8(tagged("web1", b"a\x1bb\xff", true)).unwrap();
        assert!(
            shown.ends_with("a\u{fffd}b\u{fffd}\n") && shown.contains("[web1]"),
            "{shown}"
        );
    }

    #[test]
    fn a_text_is_cut_at_its_line_ends_only() {
        let cut = |text: &'static str| {
            lines(text.as_bytes())
                .map(|line| str::from_utf8(line).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(cut("a\r\nb\n\n"), ["a\r", "b", ""]);
        assert_eq!((cut(""), cut("a")), (vec![""], vec!["a"]));
    }
}
