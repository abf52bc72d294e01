//! Texts as prefabs edit them: lines of bytes. All that an edit does not mean to change stays as it
//! is, byte for byte: the ends of lines, a final newline or the lack of one, a byte order mark,
//! bytes that are no UTF-8.

use std::{mem, path::Path};

use wxec::Bytes;

use crate::{
    action::{Action, Change, Owner},
    content::Content,
    fault::{Fault, FaultKind},
    look::Look,
};

/// The lines of a text.
pub(super) struct Text {
    has_mark: bool,
    lines: Vec<TextLine>,
}

struct TextLine {
    bytes: Vec<u8>,
    /// `\n`, `\r\n`, or nothing for a last line.
    end: &'static str,
}

/// UTF-8's byte order mark, which some editors write.
const MARK: &[u8] = "\u{feff}".as_bytes();

impl Text {
    /// Splits a text at `\n`. A text with null bytes, such as UTF-16, is refused: lines of bytes
    /// would break it.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.contains(&0) {
            let message = "it has null bytes, so it is no text whose lines can be edited";
            return Err(Fault::of(FaultKind::Refused, message));
        }
        let (has_mark, rest) = match bytes.strip_prefix(MARK) {
            Some(rest) => (true, rest),
            None => (false, bytes),
        };
        let lines = rest
            .split_inclusive(|byte| *byte == b'\n')
            .map(TextLine::of);
        Ok(Self {
            has_mark,
            lines: lines.collect(),
        })
    }

    /// Returns the text.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = if self.has_mark {
            MARK.to_vec()
        } else {
            Vec::new()
        };
        for line in self.lines {
            bytes.extend(line.bytes);
            bytes.extend(line.end.as_bytes());
        }
        bytes
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Returns the lines, without their ends.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().map(|line| &*line.bytes)
    }

    /// Returns the positions of the lines that `matches` says yes to.
    pub(super) fn positions(&self, matches: impl Fn(&[u8]) -> bool) -> Vec<usize> {
        let found = self.lines().enumerate().filter(|(_, line)| matches(line));
        found.map(|(position, _)| position).collect()
    }

    /// Replaces a line.
    pub(super) fn replace(&mut self, position: usize, line: &[u8]) {
        self.lines[position].bytes = line.to_vec();
    }

    /// Inserts lines before the one at `position`, or at the end. They end as the first line of the
    /// text does.
    pub(super) fn insert(&mut self, position: usize, lines: impl IntoIterator<Item = Vec<u8>>) {
        let end = self.lines.first().map_or("\n", |line| match line.end {
            "" => "\n",
            end => end,
        });
        let lines = lines.into_iter().map(|bytes| TextLine { bytes, end });
        let is_at_end = position == self.lines.len();
        let has_last_end = self.lines.last().is_none_or(|last| !last.end.is_empty());
        self.lines.splice(position..position, lines);
        if is_at_end && !has_last_end {
            self.lines[position - 1].end = end;
            self.drop_last_end();
        }
    }

    /// Removes the lines in a range.
    pub(super) fn remove(&mut self, range: std::ops::Range<usize>) {
        let removed: Vec<_> = self.lines.drain(range).collect();
        if removed.last().is_some_and(|last| last.end.is_empty()) {
            self.drop_last_end();
        }
    }

    fn drop_last_end(&mut self) {
        if let Some(last) = self.lines.last_mut() {
            last.end = "";
        }
    }
}

impl TextLine {
    fn of(line: &[u8]) -> Self {
        let (bytes, end) = match line {
            [bytes @ .., b'\r', b'\n'] => (bytes, "\r\n"),
            [bytes @ .., b'\n'] => (bytes, "\n"),
            bytes => (bytes, ""),
        };
        Self {
            bytes: bytes.to_vec(),
            end,
        }
    }
}

/// The content of a file, as the prefabs of this folder see it.
pub(super) type SeenText = Option<Bytes>;

pub(super) fn look(look: &Look<'_>, path: &Path) -> Result<SeenText, Fault> {
    Ok(look.read(path)?.map(Bytes::from))
}

/// Returns true if a line of the file is one that `matches` says yes to.
pub(super) fn has(seen: &SeenText, matches: impl Fn(&[u8]) -> bool) -> bool {
    let text = seen.as_ref().and_then(|bytes| Text::of(bytes).ok());
    text.is_some_and(|text| text.lines().any(matches))
}

/// Decides to write what `edit` makes of a file's text, unless that is the same. A file that is not
/// there is settled if it `may_lack`.
pub(super) fn change(
    path: &Path,
    seen: &SeenText,
    (may_lack, is_secret): (bool, bool),
    edit: impl FnOnce(&mut Text) -> Result<(), Fault>,
) -> Change {
    let Some(before) = seen else {
        if may_lack {
            return Change::settled();
        }
        let message = "there is no such file to edit";
        return Change::refused(Fault::of(FaultKind::Missing, message).at(path));
    };
    let edited = Text::of(before).and_then(|mut text| {
        edit(&mut text)?;
        Ok(text.into_bytes())
    });
    match edited {
        Err(fault) => Change::refused(fault.at(path)),
        Ok(after) if after == *before => Change::settled(),
        Ok(after) => Change::of([Action::Write {
            path: path.to_owned(),
            content: Content::new(after).secret_if(is_secret),
            mode: None,
            owner: Owner::default(),
        }]),
    }
}

/// Refuses text that would not stay one line.
pub(super) fn check_line(text: &[u8], noun: &str) -> Result<(), Fault> {
    if text.iter().any(|byte| [b'\n', b'\r', 0].contains(byte)) {
        let message = format!("a {noun} has no line breaks and no null bytes");
        return Err(Fault::of(FaultKind::Refused, message));
    }
    Ok(())
}

/// Returns the only position, if any.
pub(super) fn at_most_one(positions: &[usize], noun: &str) -> Result<Option<usize>, Fault> {
    match positions {
        [] => Ok(None),
        [position] => Ok(Some(*position)),
        several => {
            let lines: Vec<_> = several
                .iter()
                .take(MAX_LISTED)
                .map(|it| (it + 1).to_string())
                .collect();
            let message = format!("there are several {noun}, in lines {}", lines.join(", "));
            Err(Fault::of(FaultKind::Ambiguous, message))
        }
    }
}

/// Number of lines in a message: people look at the first ones.
const MAX_LISTED: usize = 10;

/// Returns text for the name of a step: short, and without control characters.
pub(super) fn shown(content: &Content) -> String {
    if content.is_secret() {
        return crate::secret::HIDDEN.into();
    }
    let text = String::from_utf8_lossy(content.bytes());
    let mut text: String = text.escape_debug().collect();
    if text.len() > MAX_SHOWN_BYTES {
        text = mem::take(&mut text)
            .chars()
            .take(MAX_SHOWN_BYTES)
            .chain("…".chars())
            .collect();
    }
    format!("\"{text}\"")
}

/// Longest text in the name of a step: enough to tell lines apart, and little enough for a list.
const MAX_SHOWN_BYTES: usize = 80;
