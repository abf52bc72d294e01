//! Texts: made safe to print, shortened, joined, and as bytes.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use serde_bytes::ByteBuf;

/// Replaces control characters except newlines and tabs, and removes carriage returns.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '\r')
        .map(|c| {
            if c.is_control() && !"\n\t".contains(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// Returns the last line that is not blank.
pub(crate) fn last_line(text: &str) -> Option<&str> {
    text.lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
}

/// Joins an error and its sources to one text.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Converts an OS string to the form in which it travels.
pub(crate) fn bytes(text: impl AsRef<OsStr>) -> ByteBuf {
    ByteBuf::from(text.as_ref().as_bytes())
}
