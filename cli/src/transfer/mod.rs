//! Transfers of files and trees, as `put` and `get` run and report them.

pub(crate) mod record;
pub(crate) mod reporter;
pub(crate) mod run;
pub(crate) mod stdout_writer;
pub(crate) mod total;
