//! The files of a record. The journal is a list of entries, each behind its length and its check;
//! what a loss of power tore off its end is cut off. The record itself is replaced as a whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use wxec::{cbor, module::Digest};

use super::{Entry, Record};
use crate::fault::{Fault, FaultKind};

/// Largest record, and largest journal of one run: a plan of ten thousand steps with paths of
/// usual length fills a quarter of it.
const MAX_BYTES: u64 = 4 << 20;
/// Bytes of a digest that check one entry: enough to find what was torn or overwritten.
const CHECK_BYTES: usize = 8;

/// The folder of one record.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    journal: Option<File>,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            journal: None,
        }
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads the record, with the entries of a run that died.
    ///
    /// If the record is damaged, this fails, unless it is to be repaired: then the one before it
    /// serves, or else an empty one.
    pub(super) fn read(&self, repair: bool) -> Result<Record, Fault> {
        let mut record = match self.read_record("record") {
            Err(_) if repair => {
                let older = self.read_record("record.old");
                older.ok().flatten().unwrap_or_default()
            }
            Err(fault) => return Err(fault),
            // A loss between two renames leaves the older one alone.
            Ok(None) => self.read_record("record.old")?.unwrap_or_default(),
            Ok(Some(record)) => record,
        };
        let known = record.next_number();
        let mut is_newer = true;
        for entry in self.read_journal()? {
            if let Entry::Begun { number, .. } = entry {
                // A journal that the record has taken in already, and that was not removed.
                is_newer = number >= known;
            }
            if is_newer {
                record.add(entry);
            }
        }
        Ok(record)
    }

    fn read_record(&self, name: &str) -> Result<Option<Record>, Fault> {
        let Some(bytes) = self.read_file(name)? else {
            return Ok(None);
        };
        match checked(&bytes) {
            Some((record, [])) => Ok(Some(record)),
            _ => Err(damaged(name)),
        }
    }

    fn read_journal(&self) -> Result<Vec<Entry>, Fault> {
        let bytes = self.read_file("journal")?.unwrap_or_default();
        let (mut rest, mut entries) = (&bytes[..], Vec::new());
        while let Some((entry, behind)) = checked(rest) {
            entries.push(entry);
            rest = behind;
        }
        Ok(entries)
    }

    fn read_file(&self, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        let path = self.at(name);
        match fs::metadata(&path) {
            Ok(found) if found.len() > MAX_BYTES => Err(damaged(name)),
            Ok(_) => fs::read(&path).map(Some).map_err(failed("read")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read")(error)),
        }
    }

    /// Begins the journal of a run.
    pub(super) fn begin(&mut self) -> Result<(), Fault> {
        let begun = || -> io::Result<File> {
            let mut options = OpenOptions::new();
            let options = options.write(true).create(true).truncate(true);
            let journal = options.open(self.at("journal"))?;
            journal.sync_all()?;
            wxec::fs::sync_directory(&self.path)?;
            Ok(journal)
        };
        self.journal = Some(begun().map_err(failed("write"))?);
        Ok(())
    }

    /// Adds an entry to the journal, on disk.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), Fault> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        let written = journal.write_all(&with_check(entry));
        written
            .and_then(|()| journal.sync_data())
            .map_err(failed("write"))
    }

    /// Replaces the record, keeps the one before it, and ends the journal.
    pub(super) fn commit(&mut self, record: &Record) -> Result<(), Fault> {
        let committed = || -> io::Result<()> {
            let (new, now, old) = (
                self.at("record.new"),
                self.at("record"),
                self.at("record.old"),
            );
            let mut file = File::create(&new)?;
            file.write_all(&with_check(record))?;
            file.sync_all()?;
            if fs::exists(&now)? {
                wxec::fs::rename(&now, &old)?;
            }
            wxec::fs::rename(&new, &now)
        };
        committed().map_err(failed("write"))?;
        if let Some(journal) = self.journal.take() {
            let emptied = journal.set_len(0).and_then(|()| journal.sync_all());
            emptied.map_err(failed("write"))?;
        }
        Ok(())
    }
}

/// Returns a value as it stands in a file: its length, its check, and itself in CBOR.
fn with_check(value: &impl Serialize) -> Vec<u8> {
    let encoded = cbor::encode(value).expect("texts and numbers always encode");
    let length = u32::try_from(encoded.len()).expect("below what a guest has of memory");
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(&Digest::of(&encoded).as_bytes()[..CHECK_BYTES]);
    bytes.extend_from_slice(&encoded);
    bytes
}

/// Returns the first value, and the bytes behind it, if its check holds.
fn checked<T: DeserializeOwned>(bytes: &[u8]) -> Option<(T, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (check, rest) = rest.split_first_chunk::<CHECK_BYTES>()?;
    let (encoded, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let holds = Digest::of(encoded).as_bytes()[..CHECK_BYTES] == *check;
    Some((cbor::decode(encoded).ok().filter(|_| holds)?, rest))
}

fn damaged(name: &str) -> Fault {
    let message = format!(
        "the host's record of this plan is damaged ({name}): what the plan made and whether it owes a \
         restart is not known; `--repair-record` goes on with the record before it"
    );
    Fault::of(FaultKind::Record, message)
}

fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> Fault {
    move |error| {
        let message = format!("cannot {doing} the host's record of this plan: {error}");
        Fault::of(FaultKind::Record, message)
    }
}
