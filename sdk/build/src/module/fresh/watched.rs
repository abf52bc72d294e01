//! Files and variables that a build was made of, and the state that they are in.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, Metadata},
    io::ErrorKind,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use wxec_protocol::{Digest, Hasher};

use super::environment::Environment;

/// Most files looked at. More take longer than cargo, and a directory with so many is rather a
/// target directory than a source.
const MAX_FILES: usize = 20_000;

/// Everything whose change could change what cargo does.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watched {
    /// Files, and places where none may appear. Of a directory only its own list of names counts.
    pub(crate) files: BTreeSet<PathBuf>,
    /// Directories with all that is below them.
    pub(crate) trees: BTreeSet<PathBuf>,
    /// Names in the trees that are left out, with all that is below them; and whole paths.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) left_out: BTreeSet<String>,
    /// Variables that sources and build scripts read.
    pub(crate) variables: BTreeSet<String>,
}

/// The state of everything watched.
pub(crate) struct State {
    /// Hides values of variables, which may be secrets.
    pub(crate) digest: Digest,
    /// The latest time of any file.
    pub(crate) newest: SystemTime,
}

impl Watched {
    /// Returns the state of now, or `None` if it cannot be told.
    pub(crate) fn state(&self, environment: &Environment) -> Option<State> {
        let mut look = Look::new(&self.left_out);
        for name in environment
            .of_tools()
            .chain(self.variables.iter().map(String::as_str))
        {
            look.text(OsStr::new(name));
            look.number(u64::from(environment.value(name).is_some()));
            look.text(environment.value(name).unwrap_or_default());
        }
        for path in environment.programs.iter().chain(&self.files) {
            look.file(path)?;
        }
        for path in &self.trees {
            look.tree(path)?;
        }
        Some(State {
            digest: look.hasher.finish(),
            newest: look.newest,
        })
    }
}

/// A look at files.
struct Look<'a> {
    left_out: &'a BTreeSet<String>,
    hasher: Hasher,
    newest: SystemTime,
    files: usize,
}

impl<'a> Look<'a> {
    fn new(left_out: &'a BTreeSet<String>) -> Self {
        Self {
            left_out,
            hasher: Hasher::default(),
            newest: SystemTime::UNIX_EPOCH,
            files: 0,
        }
    }

    fn file(&mut self, path: &Path) -> Option<()> {
        self.text(path.as_os_str());
        match fs::metadata(path) {
            Ok(metadata) => self.stamp(&metadata),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => {
                    self.number(0);
                    Some(())
                }
                _ => None,
            },
        }
    }

    fn tree(&mut self, path: &Path) -> Option<()> {
        if self.left_out.is_empty() {
            self.file(path)?;
        } else {
            // What is left out changes the times of its directory; other names are looked at below.
            self.text(path.as_os_str());
        }
        let entries = fs::read_dir(path).ok()?.collect::<Result<Vec<_>, _>>();
        let mut entries = entries.ok()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if self.leaves_out(&entry) {
                continue;
            }
            // Looks from the directory, not along the whole path.
            let metadata = entry.metadata().ok()?;
            if metadata.is_dir() {
                self.tree(&entry.path())?;
            } else if metadata.is_symlink() {
                // One to a directory may lead anywhere, also back.
                (!entry.path().is_dir()).then_some(())?;
                self.file(&entry.path())?;
            } else {
                self.text(&entry.file_name());
                self.stamp(&metadata)?;
            }
        }
        Some(())
    }

    fn leaves_out(&self, entry: &fs::DirEntry) -> bool {
        let is_left_out = |text: &OsStr| {
            text.to_str()
                .is_some_and(|text| self.left_out.contains(text))
        };
        !self.left_out.is_empty()
            && (is_left_out(&entry.file_name()) || is_left_out(entry.path().as_os_str()))
    }

    /// Adds what a change of a file changes. The time of its last change of any kind (`ctime`)
    /// cannot be set by programs, so it also shows edits that keep the time of the content.
    fn stamp(&mut self, metadata: &Metadata) -> Option<()> {
        self.files += 1;
        self.number(1);
        self.number(metadata.dev());
        self.number(metadata.ino());
        self.number(metadata.len());
        for (seconds, nanoseconds) in [
            (metadata.mtime(), metadata.mtime_nsec()),
            (metadata.ctime(), metadata.ctime_nsec()),
        ] {
            self.number(seconds.cast_unsigned());
            self.number(nanoseconds.cast_unsigned());
            let time = Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?);
            self.newest = self.newest.max(SystemTime::UNIX_EPOCH.checked_add(time)?);
        }
        (self.files <= MAX_FILES).then_some(())
    }

    fn text(&mut self, text: &OsStr) {
        self.number(text.len() as u64);
        self.hasher.update(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.hasher.update(&number.to_le_bytes());
    }
}
