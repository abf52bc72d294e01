//! Keys that may log in by ssh.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wxec::Bytes;

use super::{
    file::attributes,
    text::{self, Text},
};
use crate::{
    action::{Action, Change, Owner},
    content::Content,
    fault::{Fault, FaultKind},
    look::{Entry, Kind, Look},
    prefab::Prefab,
    record::Made,
    run::Run,
    settled::Settled,
};

/// A key that may log in by ssh. Made by [`authorized_key`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct AuthorizedKey {
    file: PathBuf,
    /// The home of the account, which owns the file and its folder.
    home: Option<PathBuf>,
    key: String,
    options: Option<String>,
    is_absent: bool,
}

/// A key that may log in by ssh as the account with this home, as a line of `.ssh/authorized_keys`:
/// `authorized_key("/home/mia", "ssh-ed25519 AAAA… mia@laptop").ensure(run)?`.
///
/// Keys are the same if the bytes of the key itself are: options and comments are not compared. The
/// line that is there keeps its comment, and its options if none are [said](AuthorizedKey::options).
/// The file gets the mode 0600 and its folder 0700, and both the owner of the home. Neither may be a
/// symlink. A plan needs `attributes` and the grant to write to the home.
///
/// ```
/// use wxec_plan::{Run, authorized_key};
///
/// let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDr+Z0 mia@laptop";
/// let home = tempfile::tempdir()?;
/// authorized_key(home.path(), key).ensure(&mut Run::new())?;
///
/// let file = home.path().join(".ssh/authorized_keys");
/// assert_eq!(std::fs::read_to_string(&file)?, format!("{key}\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn authorized_key(home: impl Into<PathBuf>, key: impl Into<String>) -> AuthorizedKey {
    let home = home.into();
    AuthorizedKey {
        file: home.join(".ssh/authorized_keys"),
        home: Some(home),
        key: key.into(),
        options: None,
        is_absent: false,
    }
}

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

impl AuthorizedKey {
    /// Has these options, as they stand in the file: `restrict,command="backup"`. An empty text is
    /// none.
    pub fn options(mut self, options: impl Into<String>) -> Self {
        self.options = Some(options.into());
        self
    }

    /// Stands in this file, whose mode and owner are left as they are.
    pub fn in_file(mut self, path: impl Into<PathBuf>) -> Self {
        (self.file, self.home) = (path.into(), None);
        self
    }

    /// Wants the key not to be there, whatever its options.
    pub fn absent(mut self) -> Self {
        self.is_absent = true;
        self
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }

    /// Returns the key, or the mistake in it.
    fn parsed(&self) -> Result<KeyLine<'_>, Fault> {
        let refused = |message: &str| Err(Fault::of(FaultKind::Refused, message));
        text::check_line(self.key.trim().as_bytes(), "key")?;
        match KeyLine::of(self.key.trim()) {
            None => refused("it is no public key: that is a kind, such as `ssh-ed25519`, and text"),
            Some(key) if !key.options.is_empty() => {
                refused("the options of a key go into `.options(…)`")
            }
            Some(key) => Ok(key),
        }
    }

    fn edit(&self, text: &mut Text) -> Result<(), Fault> {
        let key = self.parsed()?;
        let options = self.options.as_deref();
        text::check_line(options.unwrap_or_default().as_bytes(), "key's options")?;
        let (line, options) = (
            key.with(options.unwrap_or_default()),
            options.unwrap_or("").trim(),
        );
        if !options.is_empty() && KeyLine::of(&line).is_none_or(|line| line.options != options) {
            let message = format!(
                "{options:?} are no options of a key: they have a space outside of quotes, or none ends"
            );
            return Err(Fault::of(FaultKind::Refused, message));
        }
        let found = text.positions(|line| key.is_in(line));
        if self.is_absent {
            found.iter().rev().for_each(|at| text.remove(*at..at + 1));
            return Ok(());
        }
        if found.is_empty() {
            text.insert(text.len(), [line.into_bytes()]);
            return Ok(());
        }
        if self.options.is_some() {
            for at in found {
                let line = text.lines().nth(at).unwrap_or_default();
                let line = String::from_utf8_lossy(line).into_owned();
                if let Some(old) = KeyLine::of(&line).filter(|old| old.options != options) {
                    text.replace(at, old.with(options).as_bytes());
                }
            }
        }
        Ok(())
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(&self.file)
    }

    /// The attributes of the folder, as far as they matter.
    fn folder_actions(&self, seen: &SeenKeys) -> Vec<Action> {
        let path = self.folder().to_owned();
        match seen.folder {
            _ if self.home.is_none() => Vec::new(),
            None => vec![Action::MakeFolder {
                path,
                mode: FOLDER_MODE,
                owner: seen.owner,
            }],
            Some((mode, owner)) => {
                attributes(&path, (Some(mode), owner), (Some(FOLDER_MODE), seen.owner))
            }
        }
    }

    fn file_actions(&self, seen: &SeenKeys) -> Result<Vec<Action>, Fault> {
        let before: &[u8] = seen.content.as_deref().unwrap_or_default();
        let mut text = Text::of(before)?;
        self.edit(&mut text)?;
        let after = text.into_bytes();
        let is_in_home = self.home.is_some();
        if seen.content.is_none() || after != before {
            return Ok(vec![Action::Write {
                path: self.file.clone(),
                content: Content::new(after),
                mode: is_in_home.then_some(FILE_MODE),
                owner: seen.owner,
            }]);
        }
        Ok(match seen.file {
            Some((mode, owner)) if is_in_home => {
                let (is, wanted) = ((Some(mode), owner), (Some(FILE_MODE), seen.owner));
                attributes(&self.file, is, wanted)
            }
            _ => Vec::new(),
        })
    }
}

/// A line of `authorized_keys`.
struct KeyLine<'a> {
    options: &'a str,
    kind: &'a str,
    blob: &'a str,
    comment: &'a str,
}

impl<'a> KeyLine<'a> {
    /// Reads a line; `None` if it has no key.
    fn of(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with('#') {
            return None;
        }
        let (first, rest) = word(line)?;
        let (options, kind, rest) = if is_kind(first) {
            ("", first, rest)
        } else {
            let (kind, rest) = word(rest)?;
            (first, kind, rest)
        };
        let (blob, comment) = word(rest)?;
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        // All keys begin with the length of their kind, which is less than 2^8.
        let is_key = is_kind(kind) && blob.starts_with("AAAA") && blob.chars().all(is_base64);
        is_key.then_some(Self {
            options,
            kind,
            blob,
            comment,
        })
    }

    fn is_in(&self, line: &[u8]) -> bool {
        let line = String::from_utf8_lossy(line);
        KeyLine::of(&line).is_some_and(|line| line.blob == self.blob)
    }

    /// Returns the line with other options.
    fn with(&self, options: &str) -> String {
        let words = [options.trim(), self.kind, self.blob, self.comment];
        let words = words.into_iter().filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    }
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"]
        .iter()
        .any(|begin| word.starts_with(begin))
        && !word.contains(['=', ',', '"'])
}

/// Splits at the first space that is not between quotes. Returns `None` for an empty text, and for
/// quotes without an end.
fn word(text: &str) -> Option<(&str, &str)> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let mut end = text.len();
    for (place, c) in text.char_indices() {
        match c {
            '"' if !is_escaped => is_quoted = !is_quoted,
            ' ' | '\t' if !is_quoted => {
                end = place;
                break;
            }
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    (end > 0 && !is_quoted).then(|| (&text[..end], text[end..].trim_start()))
}

/// The file, its folder and their owner, as a look finds them.
#[derive(Debug, PartialEq, Serialize)]
#[doc(hidden)]
pub struct SeenKeys {
    /// The owner of the home.
    owner: Owner,
    folder: Option<(u32, Owner)>,
    file: Option<(u32, Owner)>,
    content: Option<Bytes>,
}

impl Prefab for AuthorizedKey {
    type Seen = SeenKeys;

    fn name(&self) -> String {
        let no = if self.is_absent { "no " } else { "" };
        // The comment tells keys apart for people; without one, the end of the key does.
        let key = KeyLine::of(self.key.trim());
        let end = |key: &KeyLine<'_>| key.blob[key.blob.len().saturating_sub(8)..].to_owned();
        let key = key.map_or_else(String::new, |key| match key.comment {
            "" => format!("…{}", end(&key)),
            comment => format!("…{} {}", end(&key), text::shown(&Content::new(comment))),
        });
        format!("{no}key {key} in {}", self.file.display())
    }

    fn look(&self, look: &Look<'_>) -> Result<SeenKeys, Fault> {
        let is_a = |path: &Path, kind: Kind| -> Result<Option<Entry>, Fault> {
            match look.entry(path)? {
                Some(entry) if entry.kind != kind => Err(entry.kind.instead_of(path, kind.word())),
                entry => Ok(entry),
            }
        };
        let mut owner = Owner::default();
        let mut folder = None;
        if let Some(home) = &self.home {
            match is_a(home, Kind::Folder)? {
                Some(home) => owner = home.owner,
                None if self.is_absent => {}
                None => {
                    let message = "there is no such home for a key";
                    return Err(Fault::of(FaultKind::Missing, message).at(home));
                }
            }
            folder = is_a(self.folder(), Kind::Folder)?;
        }
        let file = is_a(&self.file, Kind::File)?;
        let known = |entry: Entry| (entry.mode, entry.owner.only(owner));
        Ok(SeenKeys {
            owner,
            folder: folder.map(known),
            file: file.map(known),
            content: look.read(&self.file)?.map(Bytes::from),
        })
    }

    fn plan(&self, seen: &SeenKeys) -> Change {
        if self.is_absent && seen.content.is_none() {
            return self
                .parsed()
                .map_or_else(Change::refused, |_| Change::settled());
        }
        match self.file_actions(seen) {
            Err(fault) => Change::refused(fault.at(&self.file)),
            Ok(actions) if self.is_absent => {
                let writes = |action: &Action| matches!(action, Action::Write { .. });
                Change::of(actions.into_iter().filter(writes))
            }
            Ok(actions) => Change::of(self.folder_actions(seen).into_iter().chain(actions)),
        }
    }

    fn made(&self, seen: &SeenKeys) -> Vec<Made> {
        let is_there = || {
            let key = self.parsed().ok()?;
            let text = Text::of(seen.content.as_deref()?).ok()?;
            Some(text.lines().any(|line| key.is_in(line)))
        };
        if self.is_absent || is_there() == Some(true) {
            return Vec::new();
        }
        let line = self
            .parsed()
            .map(|key| key.with(self.options.as_deref().unwrap_or_default()));
        let line = line.map(|line| Made::Line {
            path: self.file.clone(),
            text: line.into_bytes(),
        });
        line.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1 mia";

    fn edited(key: &AuthorizedKey, before: &str) -> Result<String, Fault> {
        let mut text = Text::of(before.as_bytes())?;
        key.edit(&mut text)?;
        Ok(String::from_utf8(text.into_bytes()).unwrap())
    }

    #[test]
    fn the_key_itself_is_compared() {
        let key = || authorized_key("/home/mia", KEY);
        let other = "ssh-ed25519 AAAAother x\n# ssh-ed25519 AAAAC3NzaC1lZDI1 old\n";
        assert_eq!(edited(&key(), other).unwrap(), format!("{other}{KEY}\n"));
        let there = "restrict,command=\"a b\" ssh-ed25519 AAAAC3NzaC1lZDI1 laptop of mia\n";
        assert_eq!(edited(&key(), there).unwrap(), there);
        assert_eq!(
            edited(&key().options("restrict"), there).unwrap(),
            "restrict ssh-ed25519 AAAAC3NzaC1lZDI1 laptop of mia\n"
        );
        assert_eq!(
            edited(&key().options(""), there).unwrap(),
            "ssh-ed25519 AAAAC3NzaC1lZDI1 laptop of mia\n"
        );
        let another = format!("command=\"x\n{KEY}\n\"");
        assert!(edited(&key().options(another), "").is_err());
        let options = r#"command="echo \"a b\"",restrict"#;
        assert_eq!(
            edited(&key().options(options), "").unwrap(),
            format!("{options} {KEY}\n")
        );
        let twice = format!("{there}{other}{KEY}\n");
        assert_eq!(edited(&key().absent(), &twice).unwrap(), other);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for wrong in [
            "",
            "mia",
            "AAAAC3NzaC1lZDI1",
            "ssh-ed25519",
            "ssh-ed25519 hello",
            "ssh-ed25519 AAAA\nssh-ed25519 AAAB",
            "restrict ssh-ed25519 AAAAC3NzaC1lZDI1",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            assert!(
                edited(&authorized_key("/home/mia", wrong), "").is_err(),
                "{wrong:?}"
            );
        }
        for options in ["a b", "command=\"x", "x ssh-rsa AAAA"] {
            let key = authorized_key("/home/mia", KEY).options(options);
            assert!(edited(&key, "").is_err(), "{options:?}");
        }
    }
}
