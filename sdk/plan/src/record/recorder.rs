//! Keeps the record during a run.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::{Entry, PastRun, Record, journal::Folder};
use crate::fault::{Fault, FaultKind};

/// The way in which a run opens its record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Opening {
    /// The one who ordered the run: an account and a controller.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) by: String,
    /// Seconds to wait for another run of the plan to end; [`LOCK_WAIT_S`] by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock_wait_s: Option<u64>,
    /// True to go on with an older record if the last one is damaged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) repair: bool,
    /// The number that the run has to have. By default it may have any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) as_run: Option<u64>,
}

/// The record of the run that is under way.
#[derive(Debug)]
pub(crate) struct Recorder {
    folder: Folder,
    record: Record,
    /// Held as long as the run is under way.
    _lock: Option<wxec::fs::Lock>,
    /// The run before, if it died.
    died: Option<PastRun>,
}

/// Seconds to wait for another run of a plan to end: for one that has little to do, as where two names
/// of a fleet are the same machine.
const LOCK_WAIT_S: u64 = 10;
/// Time between two tries to lock a record.
const LOCK_PAUSE: Duration = Duration::from_millis(200);
/// Longest text about the one who has locked a record.
const MAX_HOLDER_BYTES: u64 = 1 << 10;

impl Recorder {
    /// Reads the record in `folder`, to know what a run would do.
    pub(crate) fn read(folder: &Path, opening: &Opening) -> Result<Self, Fault> {
        let folder = Folder::new(folder);
        Ok(Self {
            record: folder.read(opening.repair)?,
            folder,
            _lock: None,
            died: None,
        })
    }

    /// Locks the record in `folder`, and begins a run.
    pub(crate) fn begin(folder: &Path, opening: &Opening, mode: &str) -> Result<Self, Fault> {
        let mut folder = Folder::new(folder);
        let lock = lock(&folder, opening)?;
        let mut record = folder.read(opening.repair)?;
        if let Some(number) = opening.as_run {
            check_number(&record, number)?;
        }
        let died = record
            .runs
            .last()
            .filter(|run| run.ended.is_none())
            .cloned();
        // What the journal of a dead run says goes into the record before the journal begins anew.
        folder.commit(&record)?;
        folder.begin()?;
        let begun = Entry::Begun {
            number: record.next_number(),
            mode: mode.to_owned(),
            by: opening.by.clone(),
            at: now(),
        };
        folder.append(&begun)?;
        record.add(begun);
        Ok(Self {
            folder,
            record,
            _lock: Some(lock),
            died,
        })
    }

    pub(crate) fn died(&self) -> Option<&PastRun> {
        self.died.as_ref()
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Notes what happens, on disk before this returns.
    pub(crate) fn note(&mut self, entry: Entry) -> Result<(), Fault> {
        self.folder.append(&entry)?;
        self.record.add(entry);
        Ok(())
    }

    /// Ends the run.
    pub(crate) fn end(mut self, changed: u64, fault: Option<&Fault>) -> Result<(), Fault> {
        self.note(match fault {
            Some(fault) if fault.kind == FaultKind::Cancelled => Entry::Cut {
                changed,
                fault: fault.to_string(),
            },
            fault => Entry::Ended {
                at: now(),
                changed,
                fault: fault.map(ToString::to_string),
            },
        })?;
        self.folder.commit(&self.record)
    }
}

/// Fails if the next run is not to be the one with this number. A run that died, as one does that
/// restarts its host, did not take its number from those that go on with it.
fn check_number(record: &Record, number: u64) -> Result<(), Fault> {
    let other = record
        .runs
        .iter()
        .find(|run| run.number >= number && run.ended.is_some());
    let Some(other) = other else {
        return Ok(());
    };
    let by = if other.by.is_empty() {
        String::new()
    } else {
        format!(" of {}", other.by.escape_debug())
    };
    let message = format!(
        "this is to be run {number} of the plan on this host, and another one{by} was that already"
    );
    Err(Fault::of(FaultKind::Moved, message))
}

/// Takes the lock of the record, waits for it as long as `opening` says, and leaves there who has it.
fn lock(folder: &Folder, opening: &Opening) -> Result<wxec::fs::Lock, Fault> {
    let failed = |error: io::Error| {
        let message = format!(
            "cannot keep a record on this host, in /var/lib/wxec or the account's \
             ~/.local/state/wxec: {error}; `--no-record` goes without one"
        );
        Fault::of(FaultKind::Record, message)
    };
    let path = folder.at("lock");
    let mut options = fs::OpenOptions::new();
    let options = options.create(true).append(true);
    options.open(&path).map_err(failed)?;
    let wait_s = opening.lock_wait_s.unwrap_or(LOCK_WAIT_S);
    let until = Instant::now() + Duration::from_secs(wait_s);
    loop {
        match wxec::fs::lock(&path) {
            Ok(lock) => {
                // A hint for people: if it cannot be written, the lock holds all the same.
                let _ = fs::File::create(&path)
                    .and_then(|mut file| file.write_all(opening.by.as_bytes()));
                return Ok(lock);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() >= until {
                    return Err(busy(&path, wait_s));
                }
                thread::sleep(LOCK_PAUSE);
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

fn busy(path: &Path, waited_s: u64) -> Fault {
    use std::io::Read;

    let mut holder = String::new();
    // Also a hint: another one may take the lock while this one reads.
    let _ = fs::File::open(path)
        .and_then(|file| file.take(MAX_HOLDER_BYTES).read_to_string(&mut holder));
    let by = if holder.is_empty() {
        String::new()
    } else {
        format!(" by {}", holder.escape_debug())
    };
    let message = format!(
        "another run of this plan{by} is under way on this host, and did not end in {waited_s} s; \
         `--lock-wait 10m` waits longer"
    );
    Fault::of(FaultKind::Busy, message)
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
