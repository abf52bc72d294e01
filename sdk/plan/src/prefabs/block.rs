//! A block of lines in a file, between two markers.

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

/// A block of lines in a file. Made by [`block`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Block {
    path: PathBuf,
    name: String,
    lines: Content,
    comment: String,
    is_absent: bool,
}

/// Lines of a file between the markers `# BEGIN name` and `# END name`:
/// `block("/etc/hosts", "cluster", "10.0.0.7 db1\n10.0.0.8 db2\n").ensure(run)?`.
///
/// The block is added at the end if its markers are not there. What is outside of them stays as it
/// is. Markers that stand alone, twice, or in the wrong order are an error. The file must be there.
pub fn block(
    path: impl Into<PathBuf>,
    name: impl Into<String>,
    lines: impl Into<Content>,
) -> Block {
    Block {
        path: path.into(),
        name: name.into(),
        lines: lines.into(),
        comment: "#".into(),
        is_absent: false,
    }
}

impl Block {
    /// Sets the word that begins a comment in this file, in place of `#`.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = comment.into();
        self
    }

    /// Wants the block not to be there, nor its markers.
    pub fn absent(mut self) -> Self {
        self.is_absent = true;
        self
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }

    fn markers(&self) -> [Vec<u8>; 2] {
        ["BEGIN", "END"].map(|word| format!("{} {word} {}", self.comment, self.name).into_bytes())
    }

    fn edit(&self, text: &mut Text) -> Result<(), Fault> {
        let markers = self.markers();
        text::check_line(&markers[0], "marker")?;
        let found = Self::found(text, &markers)?.unwrap_or(text.len()..text.len());
        if !self.is_absent {
            let lines = self.lines_between(&markers)?;
            let [begin, end] = markers;
            text.insert(found.end, [begin].into_iter().chain(lines).chain([end]));
        }
        text.remove(found);
        Ok(())
    }

    fn lines_between(&self, markers: &[Vec<u8>; 2]) -> Result<Vec<Vec<u8>>, Fault> {
        let text = Text::of(self.lines.bytes())?;
        let lines: Vec<_> = text.lines().map(<[u8]>::to_vec).collect();
        if lines.iter().any(|line| markers.contains(line)) {
            let message = "a line of the block is one of its markers";
            return Err(Fault::of(FaultKind::Refused, message));
        }
        Ok(lines)
    }

    /// Returns the range of the block with its markers.
    fn found(text: &Text, markers: &[Vec<u8>; 2]) -> Result<Option<std::ops::Range<usize>>, Fault> {
        let [begin, end] = markers.each_ref().map(|marker| {
            let found = text.positions(|line| line == marker);
            text::at_most_one(&found, "markers of this block")
        });
        match (begin?, end?) {
            (None, None) => Ok(None),
            (Some(begin), Some(end)) if begin < end => Ok(Some(begin..end + 1)),
            _ => {
                let message = "the markers of this block do not stand before and behind it";
                Err(Fault::of(FaultKind::Ambiguous, message))
            }
        }
    }
}

impl Prefab for Block {
    type Seen = SeenText;

    fn name(&self) -> String {
        let no = if self.is_absent { "no " } else { "" };
        format!("{no}block {} in {}", self.name, self.path.display())
    }

    fn look(&self, look: &Look<'_>) -> Result<SeenText, Fault> {
        text::look(look, &self.path)
    }

    fn plan(&self, seen: &SeenText) -> Change {
        let flags = (self.is_absent, self.lines.is_secret());
        text::change(&self.path, seen, flags, |text| self.edit(text))
    }

    fn made(&self, seen: &SeenText) -> Vec<Made> {
        let [begin, _] = self.markers();
        if self.is_absent || text::has(seen, |line| line == begin) {
            return Vec::new();
        }
        vec![Made::Block {
            path: self.path.clone(),
            name: self.name.clone(),
            comment: self.comment.clone(),
        }]
    }

    fn secret_files(&self) -> Vec<PathBuf> {
        let is_secret = self.lines.is_secret();
        is_secret.then(|| self.path.clone()).into_iter().collect()
    }
}
