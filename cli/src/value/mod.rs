//! Values: read from JSON and from words that people type, and printed as JSON.

pub(crate) mod json;
pub(crate) mod mismatch;
pub(crate) mod parse;
pub(crate) mod readable;
pub(crate) mod reader;
#[cfg(test)]
mod round_trips;
pub(crate) mod type_text;
