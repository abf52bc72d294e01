//! Reading a run's record, of a run that is over or still goes on.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use serde::de::DeserializeOwned;

use super::{
    error::RecordError,
    event::{RunHeader, RunLine, SCHEMA},
    folder::RunFolder,
    run::RunRecord,
};

/// Longest line that is read: the names of ten thousand hosts. Longer ones are passed over.
const MAX_LINE_BYTES: u64 = 4 << 20;

/// Largest number of lines: a few dozen for each of ten thousand hosts.
const MAX_LINES: usize = 1_000_000;

impl RunRecord {
    /// Reads the record of the run `id` in `folder`. A line that was being written when the program
    /// was killed is no error.
    pub fn read(folder: &RunFolder, id: &str) -> Result<Self, RecordError> {
        let path = folder.path(id);
        let file = File::open(&path).map_err(RecordError::io("read", &path))?;
        let mut lines = Lines {
            path: &path,
            reader: BufReader::new(file),
            number: 0,
        };
        let header: Option<RunHeader> = lines.next_line()?;
        let mut run = match header {
            Some(header) if header.schema <= SCHEMA => Self::new(header),
            Some(_) => return Err(lines.unreadable("a later version of wxec wrote it".into())),
            None => return Err(lines.unreadable("it has no header".into())),
        };
        while let Some(line) = lines.next_line()? {
            match line {
                RunLine::Event(event) => run.add(&event),
                RunLine::Exit { exit_code } => run.exit_code = Some(exit_code),
                RunLine::Unknown(_) => {}
            }
        }
        Ok(run)
    }
}

/// The lines of a record.
struct Lines<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    number: usize,
}

impl Lines<'_> {
    /// Returns the next line, or `None` at the end.
    fn next_line<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RecordError> {
        let Some(line) = self.next_bytes()? else {
            return Ok(None);
        };
        let read = serde_json::from_slice(&line).map(Some);
        read.map_err(|error| self.unreadable(error.to_string()))
    }

    fn next_bytes(&mut self) -> Result<Option<Vec<u8>>, RecordError> {
        let mut line = Vec::new();
        loop {
            self.number += 1;
            if self.number > MAX_LINES {
                return Err(self.unreadable("it has too many lines".into()));
            }
            let reader = (&mut self.reader).take(MAX_LINE_BYTES);
            read_line(reader, &mut line).map_err(RecordError::io("read", self.path))?;
            if line.last() == Some(&b'\n') {
                return Ok(Some(line));
            }
            if (line.len() as u64) < MAX_LINE_BYTES {
                // The end, or a line that was being written.
                return Ok(None);
            }
            // Lines of this version are shorter, and those of others are ignored.
            self.reader
                .skip_until(b'\n')
                .map_err(RecordError::io("read", self.path))?;
        }
    }

    fn unreadable(&self, reason: String) -> RecordError {
        RecordError::Unreadable {
            path: self.path.into(),
            line: self.number,
            reason,
        }
    }
}

fn read_line(mut reader: impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    reader.read_until(b'\n', line)
}
