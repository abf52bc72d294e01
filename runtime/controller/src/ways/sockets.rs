//! Directories for ssh's control sockets until they are used: one for each socket, locked by the
//! process that made it.
//!
//! A directory stays behind only if its process is killed while it connects. The lock goes with the
//! process, so the next process sees by the lock what it may remove, regardless of age.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::Once,
};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::error::{Phase, Unreachable};

const PREFIX: &str = "wxec-ssh-";
const SOCKET: &str = "master";
const LOG: &str = "log";

/// Longest path of a socket. The address of a Unix socket holds 104 bytes on some systems, 108 on
/// Linux, including a NUL.
const MAX_ADDRESS_BYTES: usize = 103;

/// Length of a socket's path after the place: two slashes, our names with 6 random letters, and the
/// 17 bytes that ssh adds while it binds.
const BEHIND_PLACE_BYTES: usize = 2 + PREFIX.len() + 6 + SOCKET.len() + 17;

/// Limit for the entries of a place that a sweep looks at: it must not delay a connection where
/// /tmp holds a million.
const MAX_SWEPT_ENTRIES: usize = 10_000;

/// Attempts to make a directory. Another process may sweep a new one before its lock is taken, but
/// not so often in a row.
const ATTEMPTS: usize = 8;

/// A directory for one control socket, 0700 and locked. Dropping it removes it.
pub(super) struct SocketDirectory {
    directory: TempDir,
    /// Released after the directory is removed.
    _lock: File,
}

impl SocketDirectory {
    /// Makes a socket directory in the first usable place. This takes a moment, and is not moved to
    /// another thread: a connection that is given up waits for no thread, so the program could end
    /// before that thread has removed the directory.
    pub(super) fn make() -> Result<Self, Unreachable> {
        Self::make_in_one_of(&places())
    }

    fn make_in_one_of(places: &[PathBuf]) -> Result<Self, Unreachable> {
        let mut tried = Vec::new();
        for place in places {
            match Self::make_in(place) {
                Ok(directory) => return Ok(directory),
                Err(error) => tried.push(format!("{} ({error})", place.display())),
            }
        }
        let reason = format!(
            "no place for ssh's control socket: tried {}",
            tried.join(", ")
        );
        Err(Unreachable::new(Phase::Local, reason)
            .hint("set XDG_RUNTIME_DIR or TMPDIR to a directory of your own"))
    }

    fn make_in(place: &Path) -> io::Result<Self> {
        let private = Permissions::from_mode(0o700);
        for _ in 0..ATTEMPTS {
            let mut builder = tempfile::Builder::new();
            let directory = builder
                .prefix(PREFIX)
                .permissions(private.clone())
                .tempdir_in(place)?;
            if let Some(lock) = lock(directory.path()) {
                return Ok(Self {
                    directory,
                    _lock: lock,
                });
            }
        }
        Err(io::Error::other("what is made there goes away"))
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.path().join(SOCKET)
    }

    /// Returns the path of the file for ssh's messages.
    pub(super) fn log(&self) -> PathBuf {
        self.directory.path().join(LOG)
    }
}

/// Locks the directory at `path`. Returns `None` if another process holds the lock, or if `path`
/// leads to another directory by now.
fn lock(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().ok()?;
    let (locked, there) = (file.metadata().ok()?, fs::symlink_metadata(path).ok()?);
    ((locked.dev(), locked.ino()) == (there.dev(), there.ino())).then_some(file)
}

/// Returns the places for sockets, best first.
fn places() -> Vec<PathBuf> {
    let own =
        |path: &PathBuf| fs::metadata(path).is_ok_and(|place| place.uid() == geteuid().as_raw());
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(own);
    let mut places: Vec<_> = runtime
        .into_iter()
        .chain([std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()])
        .collect();
    places.retain(|place| fits(place));
    places.dedup();
    places
}

/// Returns true if ssh can make a socket in `place`: the path must be short, and ssh expands some
/// characters of it.
fn fits(place: &Path) -> bool {
    let bytes = place.as_os_str().as_bytes();
    place.is_absolute()
        && bytes.len() + BEHIND_PLACE_BYTES <= MAX_ADDRESS_BYTES
        && !bytes.iter().any(|byte| b"%$".contains(byte))
}

/// Sweeps all places, once in this process's life.
pub(super) fn sweep_once() {
    static SWEEP: Once = Once::new();
    SWEEP.call_once(|| places().iter().for_each(|place| sweep(place)));
}

/// Removes the directories that killed processes left in `place`: those of our account and our name
/// that no process has locked.
fn sweep(place: &Path) {
    for entry in fs::read_dir(place)
        .into_iter()
        .flatten()
        .take(MAX_SWEPT_ENTRIES)
        .flatten()
    {
        if !entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let is_ours = |found: fs::Metadata| found.is_dir() && found.uid() == geteuid().as_raw();
        // Hold the lock while the directory is emptied.
        if entry.metadata().is_ok_and(is_ours)
            && let Some(_lock) = lock(&entry.path())
        {
            remove(&entry.path());
        }
    }
}

/// Removes a directory with the files that wxec and ssh put into it. A directory that holds
/// anything else stays.
fn remove(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name == OsStr::new(LOG) || name.as_bytes().starts_with(SOCKET.as_bytes()) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_dir(directory);
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::symlink,
        time::{Duration, Instant},
    };

    use super::*;

    fn names(place: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(place)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_what_is_held_stays() {
        let place = tempfile::tempdir().unwrap();
        let held = SocketDirectory::make_in(place.path()).unwrap();
        fs::write(held.log(), "").unwrap();
        let SocketDirectory { directory, _lock } = SocketDirectory::make_in(place.path()).unwrap();
        let left = directory.keep();
        for name in [LOG, SOCKET, "master.0123456789abcdef"] {
            fs::write(left.join(name), "").unwrap();
        }

        sweep(place.path());
        assert!(left.is_dir(), "its process lives");
        drop(_lock);
        // A process that another test is just starting holds the lock, too, until its exec.
        let give_up = Instant::now() + Duration::from_secs(60);
        while left.exists() {
            assert!(Instant::now() < give_up, "its process is gone");
            sweep(place.path());
        }
        assert!(held.log().is_file());
        drop(held);
        assert_eq!(names(place.path()), [""; 0]);
    }

    #[test]
    fn what_others_made_is_not_swept() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::create_dir(path("wxec-other")).unwrap();
        fs::create_dir(path("wxec-ssh-full")).unwrap();
        fs::write(path("wxec-ssh-full/letter"), "").unwrap();
        fs::write(path("wxec-ssh-file"), "").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join(LOG), "").unwrap();
        symlink(elsewhere.path(), path("wxec-ssh-link")).unwrap();

        sweep(place.path());
        assert_eq!(
            names(place.path()),
            [
                "wxec-other",
                "wxec-ssh-file",
                "wxec-ssh-full",
                "wxec-ssh-link"
            ]
        );
        assert_eq!(names(&path("wxec-ssh-full")), ["letter"]);
        assert_eq!(names(elsewhere.path()), [LOG]);
    }

    #[test]
    fn a_lock_is_for_the_directory_that_is_there() {
        let place = tempfile::tempdir().unwrap();
        let held = SocketDirectory::make_in(place.path()).unwrap();
        assert!(lock(held.directory.path()).is_none());
        assert!(lock(&place.path().join("gone")).is_none());
        let mode = fs::metadata(held.directory.path()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn the_first_usable_place_is_taken() {
        let place = tempfile::tempdir().unwrap();
        let missing = place.path().join("missing");
        let made = SocketDirectory::make_in_one_of(&[missing.clone(), place.path().into()])
            .unwrap_or_else(|e| panic!("{e}"));
        assert!(made.socket().starts_with(place.path()));
        let Err(error) = SocketDirectory::make_in_one_of(std::slice::from_ref(&missing)) else {
            panic!("it is missing")
        };
        assert_eq!(error.phase, Phase::Local);
        assert!(
            error
                .reason
                .contains(&format!("tried {} (", missing.display())),
            "{error}"
        );
    }

    #[test]
    fn a_socket_fits_its_address() {
        let longest = MAX_ADDRESS_BYTES - BEHIND_PLACE_BYTES;
        for (place, expected) in [
            ("/run/user/1000".to_owned(), true),
            (format!("/{}", "x".repeat(longest - 1)), true),
            (format!("/{}", "x".repeat(longest)), false),
            (format!("/{}", "x".repeat(73)), false),
            ("tmp".into(), false),
            ("/tmp/100%".into(), false),
            ("/tmp/${x}".into(), false),
        ] {
            assert_eq!(fits(Path::new(&place)), expected, "{place}");
        }
        let place = tempfile::tempdir().unwrap();
        let made = SocketDirectory::make_in(place.path()).unwrap();
        let bound = made.socket().as_os_str().len() + ".0123456789abcdef".len();
        assert_eq!(bound, place.path().as_os_str().len() + BEHIND_PLACE_BYTES);
    }
}
