//! The folder that holds the records of runs.

use std::{
    env, fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::error::RecordError;

/// Number of records that are kept. One of a thousand hosts has some 300 KB.
const MAX_RECORDS: usize = 500;

/// Suffix of a record's file name.
const SUFFIX: &str = ".ndjson";

/// The folder that holds the records of runs, for their owner alone.
#[derive(Debug, Clone)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// Returns `runs` in the state folder: `$WXEC_STATE`, else `$XDG_STATE_HOME/wxec`, else
    /// `~/.local/state/wxec`. It need not exist.
    pub fn of_user() -> Result<Self, RecordError> {
        let given = |name| env::var_os(name).filter(|value| !value.is_empty());
        // The XDG specification requires relative paths to be ignored.
        let absolute = |path: &PathBuf| path.is_absolute();
        let own = given("WXEC_STATE").map(PathBuf::from);
        let xdg = || given("XDG_STATE_HOME").map(PathBuf::from).filter(absolute);
        let home = || env::home_dir().filter(absolute);
        let state = own
            .or_else(|| xdg().map(|state| state.join("wxec")))
            .or_else(|| home().map(|home| home.join(".local/state/wxec")));
        Ok(Self::at(
            state.ok_or(RecordError::NoStateFolder)?.join("runs"),
        ))
    }

    /// Returns the folder at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the names of all runs, oldest first.
    pub fn ids(&self) -> Result<Vec<String>, RecordError> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(RecordError::io("read", &self.0)(error)),
        };
        let name = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_suffix(SUFFIX)?.to_owned())
        };
        let mut ids: Vec<_> = entries.filter_map(|entry| name(entry.ok()?)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Returns the run that `words` name: `last`, or the beginning of one run's name.
    pub fn find(&self, words: &str) -> Result<String, RecordError> {
        let mut ids = self.ids()?;
        if words == "last" {
            return ids.pop().ok_or(RecordError::NoRuns);
        }
        ids.retain(|id| id.starts_with(words));
        match &*ids {
            [id] => Ok(id.clone()),
            [] => Err(RecordError::NoSuchRun(words.into())),
            [first, .., last] => Err(RecordError::Ambiguous {
                words: words.into(),
                first: first.clone(),
                last: last.clone(),
            }),
        }
    }

    /// Returns the path of a run's record: one JSON object a line.
    pub fn path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}{SUFFIX}"))
    }

    /// Creates the folder if need be, and makes room in it for another record.
    pub(super) fn prepare(&self) -> Result<(), RecordError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .map_err(RecordError::io("create", &self.0))?;
        let ids = self.ids()?;
        let surplus = (ids.len() + 1).saturating_sub(MAX_RECORDS);
        for id in &ids[..surplus] {
            // Another program may have removed it first.
            let _ = fs::remove_file(self.path(id));
        }
        Ok(())
    }
}

impl AsRef<Path> for RunFolder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn runs_are_found_by_the_beginning_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["20261128-1", "20261128-2", "20261129-1"] {
            fs::write(folder.path().join(name).with_extension("ndjson"), "").unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        let runs = RunFolder::at(folder.path());
        assert_eq!(runs.ids().unwrap().len(), 3);
        assert_eq!(runs.find("last").unwrap(), "20261129-1");
        assert_eq!(runs.find("20261129").unwrap(), "20261129-1");
        let refused = |words| runs.find(words).unwrap_err().to_string();
        assert_eq!(
            refused("20261128"),
            "\"20261128\" is the beginning of several runs, from 20261128-1 to 20261128-2"
        );
        assert_eq!(refused("2025"), "there is no run \"2025\"");
    }

    #[test]
    fn a_folder_that_does_not_exist_has_no_runs() {
        let folder = tempfile::tempdir().unwrap();
        let runs = RunFolder::at(folder.path().join("state/runs"));
        assert!(runs.ids().unwrap().is_empty());
        assert!(matches!(runs.find("last"), Err(RecordError::NoRuns)));
        runs.prepare().unwrap();
        let mode = fs::metadata(runs.as_ref()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn the_oldest_records_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let runs = RunFolder::at(folder.path());
        for number in 0..MAX_RECORDS + 2 {
            fs::write(runs.path(&format!("{number:04}")), "").unwrap();
        }
        runs.prepare().unwrap();
        let ids = runs.ids().unwrap();
        assert_eq!((ids.len(), &*ids[0]), (MAX_RECORDS - 1, "0003"));
    }
}
