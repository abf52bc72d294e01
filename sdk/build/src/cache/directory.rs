//! The directory where wxec keeps its builds, and locks for taking turns there.

use std::{
    env,
    fs::{self, DirBuilder, File, TryLockError},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use crate::{BuildError, base::variables::given};

/// Returns the directory where wxec keeps programs and artifacts: `$WXEC_CACHE`, else
/// `$XDG_CACHE_HOME/wxec`, else `~/.cache/wxec`.
///
/// Creates the directory for its owner alone. Refuses a directory that belongs to another user or
/// that others may write to, because programs in it are run, here and on hosts.
pub fn cache_directory() -> Result<PathBuf, BuildError> {
    let directory = choose(
        given("WXEC_CACHE").map(Into::into),
        given("XDG_CACHE_HOME").map(Into::into),
        env::home_dir(),
    );
    let directory = directory.ok_or(BuildError::NoCacheDirectory)?;
    let directory = std::path::absolute(&directory).map_err(BuildError::io("find", &directory))?;
    create_private(&directory)?;
    check_private(&directory)?;
    Ok(directory)
}

fn choose(own: Option<PathBuf>, caches: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    // The XDG specification requires relative paths to be ignored.
    let absolute = |path: &PathBuf| path.is_absolute();
    own.or_else(|| caches.filter(absolute).map(|caches| caches.join("wxec")))
        .or_else(|| home.filter(absolute).map(|home| home.join(".cache/wxec")))
}

/// Creates a directory, and what is missing above it, for its owner alone.
pub(crate) fn create_private(directory: &Path) -> Result<(), BuildError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(BuildError::io("create", directory))
}

fn check_private(directory: &Path) -> Result<(), BuildError> {
    let metadata = fs::metadata(directory).map_err(BuildError::io("look at", directory))?;
    let problem = if metadata.uid() != rustix::process::geteuid().as_raw() {
        "belongs to another user"
    } else if metadata.mode() & 0o022 != 0 {
        "can be changed by other users"
    } else {
        return Ok(());
    };
    Err(BuildError::UnsafeCache {
        path: directory.into(),
        problem,
    })
}

/// Locks the file `path` until the returned file is dropped. Calls `wait` first if another process
/// holds the lock.
pub(crate) fn take_turn(path: &Path, wait: impl FnOnce()) -> Result<File, BuildError> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(BuildError::io("open", path))?;
    let outcome = match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => {
            wait();
            file.lock()
        }
    };
    outcome.map_err(BuildError::io("lock", path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::fs::PermissionsExt,
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn own_variable_then_xdg_then_home() {
        let path = |text: &str| Some(PathBuf::from(text));

        assert_eq!(
            choose(path("mine"), path("/xdg"), path("/home/me")),
            path("mine")
        );
        assert_eq!(
            choose(None, path("/xdg"), path("/home/me")),
            path("/xdg/wxec")
        );
        assert_eq!(
            choose(None, path("relative"), path("/home/me")),
            path("/home/me/.cache/wxec")
        );
        assert_eq!(choose(None, None, None), None);
    }

    #[test]
    fn created_for_the_owner_alone() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let directory = place.path().join("a/b");

        create_private(&directory).expect("it can be created");

        let mode = fs::metadata(&directory).expect("it exists").mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(check_private(&directory).is_ok());
    }

    #[test]
    fn refused_when_others_may_write() {
        let place = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(place.path(), Permissions::from_mode(0o770)).expect("it is ours");

        let error = check_private(place.path()).expect_err("the group may write");

        assert!(matches!(
            error,
            BuildError::UnsafeCache {
                problem: "can be changed by other users",
                ..
            }
        ));
        assert!(error.hint().is_some());
    }

    #[test]
    fn the_second_waits_for_the_first() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join("lock");
        let first =
            take_turn(&path, || panic!("nobody else is there")).expect("the file can be locked");
        let waited = AtomicBool::new(false);

        thread::scope(|scope| {
            // The first holder drops the lock only once the second has said that it waits.
            let (say, hear) = std::sync::mpsc::channel();
            let second =
                scope.spawn(|| take_turn(&path, move || say.send(()).expect("somebody listens")));
            hear.recv().expect("the second waits");
            waited.store(true, Ordering::Relaxed);
            drop(first);
            second
                .join()
                .expect("no panic")
                .expect("the file can be locked");
        });

        assert!(waited.into_inner());
    }
}
