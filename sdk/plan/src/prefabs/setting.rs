//! A setting in a config file of keys and values.

use std::{ops::Range, path::PathBuf};

use super::text::{self, SeenText, Text};
use crate::{
    action::Change, content::Content, fault::Fault, look::Look, prefab::Prefab, record::Made,
    run::Run, settled::Settled,
};

/// A key with its value in a config file. Made by [`setting`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Setting {
    path: PathBuf,
    key: String,
    value: Content,
    section: Option<String>,
    separator: String,
    takes_all: bool,
    is_absent: bool,
}

/// A key with its value in a config file: `setting("/etc/app.ini", "port", "80").in_section("web")`.
///
/// The key is looked for in lines of the form `key = value`, with any blanks around the key and the
/// separator; comments, which begin with `#` or `;`, do not count. Only the value is replaced: the
/// rest of the line after the separator. A key that is not there is added behind the last line of
/// its section, as `key=value`; so is a section. The file must be there.
///
/// ```
/// use wxec_plan::{Run, setting};
///
/// let folder = tempfile::tempdir()?;
/// let config = folder.path().join("app.ini");
/// std::fs::write(&config, "[web]\nport = 80\n\n[db]\nport = 5432\n")?;
///
/// let mut run = Run::new();
/// setting(&config, "port", "443").in_section("web").ensure(&mut run)?;
/// setting(&config, "host", "db1").in_section("db").separator(" = ").ensure(&mut run)?;
/// assert_eq!(
///     std::fs::read_to_string(&config)?,
///     "[web]\nport = 443\n\n[db]\nport = 5432\nhost = db1\n"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn setting(
    path: impl Into<PathBuf>,
    key: impl Into<String>,
    value: impl Into<Content>,
) -> Setting {
    Setting {
        path: path.into(),
        key: key.into(),
        value: value.into(),
        section: None,
        separator: "=".into(),
        takes_all: false,
        is_absent: false,
    }
}

impl Setting {
    /// Means the lines behind `[section]`, up to the next section. Without it, those before the
    /// first section are meant.
    pub fn in_section(mut self, section: impl Into<String>) -> Self {
        self.section = Some(section.into());
        self
    }

    /// Sets the text between a new key and its value, such as `" = "`, `": "` or, for files like
    /// `sshd_config`, `" "`. In lines that are there, blanks around it may differ.
    pub fn separator(mut self, separator: impl Into<String>) -> Self {
        self.separator = separator.into();
        self
    }

    /// Means all lines with this key. Without it, more than one is an error.
    pub fn all(mut self) -> Self {
        self.takes_all = true;
        self
    }

    /// Wants the key not to be there, whatever its value is.
    pub fn absent(mut self) -> Self {
        self.is_absent = true;
        self
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }

    fn edit(&self, text: &mut Text) -> Result<(), Fault> {
        self.check()?;
        let Some(scope) = self.scope(text)? else {
            if !self.is_absent {
                let header = self
                    .section
                    .iter()
                    .map(|name| format!("[{name}]").into_bytes());
                let lines: Vec<_> = header.chain([self.line()]).collect();
                text.insert(text.len(), lines);
            }
            return Ok(());
        };
        let mut found = text.positions(|line| self.value_in(line).is_some());
        found.retain(|position| scope.contains(position));
        if !self.takes_all {
            text::at_most_one(&found, "lines with this key")?;
        }
        if self.is_absent {
            found.iter().rev().for_each(|at| text.remove(*at..at + 1));
        } else if found.is_empty() {
            text.insert(end_of(text, scope), [self.line()]);
        }
        for position in found.into_iter().filter(|_| !self.is_absent) {
            let line = text
                .lines()
                .nth(position)
                .map(<[u8]>::to_vec)
                .unwrap_or_default();
            let start = self.value_in(&line).unwrap_or(line.len());
            text.replace(position, &[&line[..start], self.value.bytes()].concat());
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Fault> {
        text::check_line(self.key.as_bytes(), "key")?;
        text::check_line(self.value.bytes(), "value")?;
        text::check_line(self.separator.as_bytes(), "separator")?;
        text::check_line(
            self.section.as_deref().unwrap_or_default().as_bytes(),
            "section",
        )?;
        let sign = self.separator.trim();
        let is_key = !self.key.is_empty()
            && self.key.trim() == self.key
            && !self.key.starts_with(['#', ';', '['])
            && (sign.is_empty() || !self.key.contains(sign));
        if is_key && !self.separator.is_empty() {
            return Ok(());
        }
        let message = format!("{:?} cannot be a key before {:?}", self.key, self.separator);
        Err(Fault::of(crate::fault::FaultKind::Refused, message))
    }

    fn line(&self) -> Vec<u8> {
        [
            self.key.as_bytes(),
            self.separator.as_bytes(),
            self.value.bytes(),
        ]
        .concat()
    }

    /// Returns the range of the lines that are meant, or `None` if there is no such section.
    fn scope(&self, text: &Text) -> Result<Option<Range<usize>>, Fault> {
        let headers = text.positions(|line| section_of(line).is_some());
        let first = match &self.section {
            None => 0,
            Some(section) => {
                let found = text.positions(|line| section_of(line) == Some(section.as_bytes()));
                match text::at_most_one(&found, "such sections")? {
                    None => return Ok(None),
                    Some(header) => header + 1,
                }
            }
        };
        let end = headers.into_iter().find(|header| *header >= first);
        Ok(Some(first..end.unwrap_or(text.len())))
    }

    /// Returns the position of the value in a line with this key.
    fn value_in(&self, line: &[u8]) -> Option<usize> {
        let after_key = line.trim_ascii_start().strip_prefix(self.key.as_bytes())?;
        let rest = after_key.trim_ascii_start();
        let sign = self.separator.trim();
        let value = if sign.is_empty() {
            (rest.len() < after_key.len()).then_some(rest)?
        } else {
            rest.strip_prefix(sign.as_bytes())?.trim_ascii_start()
        };
        Some(line.len() - value.len())
    }
}

/// Returns the name of the section that a line begins.
fn section_of(line: &[u8]) -> Option<&[u8]> {
    let name = line.trim_ascii().strip_prefix(b"[")?.strip_suffix(b"]")?;
    Some(name.trim_ascii())
}

/// Returns the position behind the last line of a section that is not blank.
fn end_of(text: &Text, scope: Range<usize>) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let is_blank = |position: &usize| lines[*position].trim_ascii().is_empty();
    let last = scope.clone().rev().find(|position| !is_blank(position));
    last.map_or(scope.start, |last| last + 1)
}

impl Prefab for Setting {
    type Seen = SeenText;

    fn name(&self) -> String {
        let (no, path) = (if self.is_absent { "no " } else { "" }, self.path.display());
        match &self.section {
            None => format!("{no}setting {} in {path}", self.key),
            Some(section) => format!("{no}setting {section}.{} in {path}", self.key),
        }
    }

    fn look(&self, look: &Look<'_>) -> Result<SeenText, Fault> {
        text::look(look, &self.path)
    }

    fn plan(&self, seen: &SeenText) -> Change {
        let flags = (self.is_absent, self.value.is_secret());
        text::change(&self.path, seen, flags, |text| self.edit(text))
    }

    fn made(&self, seen: &SeenText) -> Vec<Made> {
        // Wherever it stands: a key of another section is no reason to remove one that was there.
        if self.is_absent || text::has(seen, |line| self.value_in(line).is_some()) {
            return Vec::new();
        }
        vec![Made::Setting {
            path: self.path.clone(),
            key: self.key.clone(),
            section: self.section.clone(),
            separator: self.separator.clone(),
        }]
    }

    fn secret_files(&self) -> Vec<PathBuf> {
        let is_secret = self.value.is_secret();
        is_secret.then(|| self.path.clone()).into_iter().collect()
    }
}
