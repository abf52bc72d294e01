//! One line of a file.

use std::path::PathBuf;

use super::text::{self, SeenText, Text};
use crate::{
    action::Change,
    content::Content,
    fault::{Fault, FaultKind},
    look::Look,
    prefab::Prefab,
    record::Made,
    run::Run,
    settled::Settled,
};

/// A line of a file. Made by [`line()`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Line {
    path: PathBuf,
    text: Content,
    prefix: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
    takes_all: bool,
    is_absent: bool,
}

/// A line of a file: `line("/etc/hosts", "10.0.0.7 db1").ensure(run)?`.
///
/// A line is this one if all its bytes are the same. It is added at the end if there is none. The
/// rest of the file stays as it is, also where it ends without a newline, has Windows' line ends, a
/// byte order mark, or bytes that are no UTF-8. The file must be there: [`file`](crate::file) makes
/// it.
///
/// ```
/// use wxec_plan::{Run, line};
///
/// let folder = tempfile::tempdir()?;
/// let config = folder.path().join("sshd_config");
/// std::fs::write(&config, "Port 22\nUsePAM yes\n")?;
///
/// line(&config, "Port 2222").replaces("Port ").ensure(&mut Run::new())?;
/// assert_eq!(std::fs::read_to_string(&config)?, "Port 2222\nUsePAM yes\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn line(path: impl Into<PathBuf>, text: impl Into<Content>) -> Line {
    Line {
        path: path.into(),
        text: text.into(),
        prefix: None,
        after: None,
        takes_all: false,
        is_absent: false,
    }
}

impl Line {
    /// Takes the place of a line that begins so, if there is one.
    pub fn replaces(mut self, prefix: impl Into<Vec<u8>>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Is added behind this line, which must be there, instead of at the end. A line that is
    /// elsewhere already stays there.
    pub fn after(mut self, line: impl Into<Vec<u8>>) -> Self {
        self.after = Some(line.into());
        self
    }

    /// Means all lines that match. Without it, more than one is an error.
    pub fn all(mut self) -> Self {
        self.takes_all = true;
        self
    }

    /// Wants the line not to be there, nor one that begins with what it replaces.
    pub fn absent(mut self) -> Self {
        self.is_absent = true;
        self
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }

    fn edit(&self, text: &mut Text) -> Result<(), Fault> {
        text::check_line(self.text.bytes(), "line")?;
        let found = text.positions(|line| self.matches(line));
        if !self.takes_all {
            text::at_most_one(&found, "such lines")?;
        }
        if self.is_absent {
            found.iter().rev().for_each(|at| text.remove(*at..at + 1));
        } else if found.is_empty() {
            text.insert(self.place(text)?, [self.text.bytes().to_vec()]);
        } else {
            found
                .iter()
                .for_each(|at| text.replace(*at, self.text.bytes()));
        }
        Ok(())
    }

    fn matches(&self, line: &[u8]) -> bool {
        let prefix = self.prefix.as_ref();
        line == self.text.bytes() || prefix.is_some_and(|prefix| line.starts_with(prefix))
    }

    /// The position for a new line.
    fn place(&self, text: &Text) -> Result<usize, Fault> {
        let Some(after) = &self.after else {
            return Ok(text.len());
        };
        let found = text.positions(|line| line == after);
        match text::at_most_one(&found, "lines that it could stand behind")? {
            Some(position) => Ok(position + 1),
            None => {
                let after = String::from_utf8_lossy(after);
                let message = format!("there is no line {after:?} that it could stand behind");
                Err(Fault::of(FaultKind::Missing, message))
            }
        }
    }
}

impl Prefab for Line {
    type Seen = SeenText;

    fn name(&self) -> String {
        let no = if self.is_absent { "no " } else { "" };
        format!(
            "{no}line {} in {}",
            text::shown(&self.text),
            self.path.display()
        )
    }

    fn look(&self, look: &Look<'_>) -> Result<SeenText, Fault> {
        text::look(look, &self.path)
    }

    fn plan(&self, seen: &SeenText) -> Change {
        let flags = (self.is_absent, self.text.is_secret());
        text::change(&self.path, seen, flags, |text| self.edit(text))
    }

    fn made(&self, seen: &SeenText) -> Vec<Made> {
        if self.is_absent || self.text.is_secret() || text::has(seen, |line| self.matches(line)) {
            return Vec::new();
        }
        vec![Made::Line {
            path: self.path.clone(),
            text: self.text.bytes().to_vec(),
        }]
    }

    fn secret_files(&self) -> Vec<PathBuf> {
        let is_secret = self.text.is_secret();
        is_secret.then(|| self.path.clone()).into_iter().collect()
    }
}
