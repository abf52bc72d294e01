//! Variables of the environment.

use std::{env, ffi::OsString, path::PathBuf};

/// Returns a variable's value, unless it is empty.
pub(crate) fn given(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the directory that the variable `name` gives, else `folder` in the home directory.
pub(crate) fn home(name: &str, folder: &str) -> Option<PathBuf> {
    given(name)
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(folder)))
}
