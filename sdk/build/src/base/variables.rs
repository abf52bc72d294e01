//! Variables of the environment.

use std::{env, ffi::OsString};

/// Returns a variable's value, unless it is empty.
pub(crate) fn given(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
