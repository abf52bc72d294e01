//! Writing a run's record while the run goes on.

use std::{
    fs::{File, OpenOptions},
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
};

use jiff::{Timestamp, Unit};

use super::{
    error::RecordError,
    event::{RunHeader, RunLine, RunWork, SCHEMA},
    folder::RunFolder,
};
use crate::rollout::Event;

/// The record of a run that goes on. Each event is in its file as soon as it is added, so that
/// whatever happens to this program, the record is whole up to then.
#[derive(Debug)]
pub struct RunRecorder {
    file: File,
}

impl RunRecorder {
    /// Creates a record in `folder`, for its owner alone, and writes its header. Removes the oldest
    /// records if there are too many.
    pub fn create(folder: &RunFolder, header: &RunHeader) -> Result<Self, RecordError> {
        folder.prepare()?;
        let path = folder.path(&header.id);
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(RecordError::io("create", &path))?;
        let mut recorder = Self { file };
        recorder
            .write(serde_json::to_vec(header))
            .map_err(RecordError::io("write", &path))?;
        Ok(recorder)
    }

    /// Adds an event.
    pub fn add(&mut self, event: &Event) -> io::Result<()> {
        self.write(serde_json::to_vec(event))
    }

    /// Ends the record with the exit code of this program.
    pub fn end(mut self, exit_code: u8) -> io::Result<()> {
        self.write(serde_json::to_vec(&RunLine::Exit { exit_code }))
    }

    /// Writes a line at once, in one piece: a reader finds whole lines, also after a kill.
    fn write(&mut self, line: serde_json::Result<Vec<u8>>) -> io::Result<()> {
        let mut line = line?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

impl RunHeader {
    /// Returns the header of a run of this program that begins now.
    pub fn new(work: RunWork) -> Self {
        let now = Timestamp::now();
        let began = now.round(Unit::Millisecond).unwrap_or(now);
        Self {
            schema: SCHEMA,
            id: new_id(began),
            began,
            wxec: env!("CARGO_PKG_VERSION").into(),
            by: user_and_machine(),
            work,
        }
    }
}

/// Returns who runs this program, and where: `root@vm`.
pub fn user_and_machine() -> String {
    let here = wxec_facts::here();
    let user = here.user.unwrap_or_else(|| here.uid.to_string());
    format!("{user}@{}", here.hostname)
}

/// Returns a name that sorts by time, down to milliseconds: `20261128-072000123-4f1c`.
fn new_id(began: Timestamp) -> String {
    let time = began.strftime("%Y%m%d-%H%M%S%3f").to_string();
    let random = RandomState::new().hash_one(std::process::id()) & 0xffff;
    format!("{time}-{random:04x}")
}
