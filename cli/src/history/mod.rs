//! Runs on many hosts: how they are shown, in words and as a page.

pub(crate) mod lines;
pub(crate) mod live;
pub(crate) mod page;
pub(crate) mod steps;
pub(crate) mod summary;

#[cfg(test)]
mod tests;
