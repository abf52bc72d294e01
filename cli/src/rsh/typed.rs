//! The command line as typed: parsed as ssh does it, with wxec's own options among ssh's.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    vec::IntoIter,
};

/// Options of ssh without a value. Some exist only in newer or only in older clients.
const FLAGS: &str = "1246AaCfGgKkMNnqsTtVvXxYy";

/// Options of ssh that take a value, in the same word or in the next one.
const VALUED: &str = "BbcDEeFIiJLlmOopPQRSWw";

/// A command line of ssh's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    /// Letters with their values, in order; flags have an empty one.
    pub(crate) options: Vec<(char, String)>,
    /// Options of wxec's own, which all begin with `--`.
    pub(crate) own: Vec<OsString>,
    /// The host, as it was written.
    pub(crate) host: Option<String>,
    /// The command to run: words that ssh joins with spaces. Empty if there was none.
    pub(crate) command: Vec<u8>,
}

impl Typed {
    /// Parses `words`. `takes_value` returns true for those of wxec's own options that take the
    /// next word.
    pub(crate) fn parse(
        words: Vec<OsString>,
        takes_value: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        let mut typed = Self::default();
        let mut words = words.into_iter();
        let is_over = typed.take_options(&mut words, &takes_value)?;
        typed.host = words.next().map(text).transpose()?;
        // ssh takes options behind the host as well, unless a `--` stood before it.
        if !is_over {
            typed.take_options(&mut words, &takes_value)?;
        }
        let command: Vec<_> = words.map(OsString::into_vec).collect();
        typed.command = command.join(&b' ');
        Ok(typed)
    }

    /// Takes the options that come next. Returns true if a `--` ended them.
    fn take_options(
        &mut self,
        words: &mut IntoIter<OsString>,
        takes_value: &impl Fn(&str) -> bool,
    ) -> Result<bool, String> {
        while let Some(word) = words
            .as_slice()
            .first()
            .filter(|word| is_option(word))
            .cloned()
        {
            words.next();
            match word.as_bytes() {
                b"--" => return Ok(true),
                [b'-', b'-', ..] => {
                    let name = text(word.clone())?;
                    self.own.push(word);
                    if !name.contains('=') && takes_value(&name[2..]) {
                        self.own.push(
                            words
                                .next()
                                .ok_or_else(|| format!("`{name}` needs a value"))?,
                        );
                    }
                }
                _ => self.take_letters(&text(word)?[1..], words)?,
            }
        }
        Ok(false)
    }

    /// Takes the letters of one word: flags, and perhaps an option with its value at the end.
    fn take_letters(
        &mut self,
        letters: &str,
        words: &mut IntoIter<OsString>,
    ) -> Result<(), String> {
        for (at, letter) in letters.char_indices() {
            if FLAGS.contains(letter) {
                self.options.push((letter, String::new()));
            } else if VALUED.contains(letter) {
                let value = match &letters[at + letter.len_utf8()..] {
                    "" => words
                        .next()
                        .map(text)
                        .transpose()?
                        .ok_or_else(|| format!("`-{letter}` needs a value"))?,
                    rest => rest.to_owned(),
                };
                self.options.push((letter, value));
                return Ok(());
            } else {
                return Err(format!("`-{}` is no option of ssh", letter.escape_debug()));
            }
        }
        Ok(())
    }
}

fn is_option(word: &OsStr) -> bool {
    word.len() > 1 && word.as_bytes()[0] == b'-'
}

/// Converts a word to text. Only the command may be anything else.
fn text(word: OsString) -> Result<String, String> {
    word.into_string()
        .map_err(|word| format!("{word:?} is no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Typed, String> {
        Typed::parse(line.iter().map(Into::into).collect(), |name| name == "tool")
    }

    fn options(typed: &Typed) -> String {
        let shown: Vec<_> = typed
            .options
            .iter()
            .map(|(letter, value)| format!("{letter}{value}"))
            .collect();
        shown.join(" ")
    }

    #[test]
    fn options_may_be_bundled_and_attached() {
        let typed = parse(&[
            "-xaT", "-p2222", "-o", "User=joe", "-vvl", "joe", "web1", "uptime",
        ])
        .unwrap();
        assert_eq!(options(&typed), "x a T p2222 oUser=joe v v ljoe");
        assert_eq!(
            (typed.host.as_deref(), &*typed.command),
            (Some("web1"), &b"uptime"[..])
        );
    }

    #[test]
    fn options_may_follow_the_host_but_not_the_command() {
        let typed = parse(&["web1", "-l", "joe", "ls", "-l"]).unwrap();
        assert_eq!(
            (&*options(&typed), &*typed.command),
            ("ljoe", &b"ls -l"[..])
        );
        let typed = parse(&["-n", "--", "web1", "-l", "joe"]).unwrap();
        assert_eq!((&*options(&typed), &*typed.command), ("n", &b"-l joe"[..]));
        let typed = parse(&["web1", "--", "-l", "joe"]).unwrap();
        assert_eq!((&*options(&typed), &*typed.command), ("", &b"-l joe"[..]));
    }

    #[test]
    fn words_are_joined_with_spaces_and_not_quoted() {
        let typed = parse(&["web1", "echo", "a  b", "$HOME"]).unwrap();
        assert_eq!(typed.command, b"echo a  b $HOME");
        assert_eq!(parse(&["web1"]).unwrap().command, b"");
        let bytes = vec!["web1".into(), OsString::from_vec(b"cat \xff".to_vec())];
        assert_eq!(Typed::parse(bytes, |_| false).unwrap().command, b"cat \xff");
    }

    #[test]
    fn every_letter_of_ssh_is_known() {
        for letter in FLAGS.chars() {
            assert_eq!(
                parse(&[&format!("-{letter}"), "web1"])
                    .unwrap()
                    .host
                    .as_deref(),
                Some("web1"),
                "{letter}"
            );
        }
        for letter in VALUED.chars() {
            assert_eq!(
                parse(&[&format!("-{letter}"), "x", "web1"])
                    .unwrap()
                    .host
                    .as_deref(),
                Some("web1"),
                "{letter}"
            );
        }
        assert_eq!(
            parse(&["-xZ", "web1"]).unwrap_err(),
            "`-Z` is no option of ssh"
        );
        assert_eq!(parse(&["-l"]).unwrap_err(), "`-l` needs a value");
    }

    #[test]
    fn wxecs_own_options_are_kept_apart() {
        let typed = parse(&[
            "--cache-agent",
            "--tool",
            "ssh=/opt/ssh",
            "-v",
            "--tool=su=/su",
            "web1",
            "id",
        ])
        .unwrap();
        assert_eq!(
            typed.own,
            ["--cache-agent", "--tool", "ssh=/opt/ssh", "--tool=su=/su"]
        );
        assert_eq!(
            (&*options(&typed), typed.host.as_deref()),
            ("v", Some("web1"))
        );
        assert_eq!(parse(&["--tool"]).unwrap_err(), "`--tool` needs a value");
    }
}
