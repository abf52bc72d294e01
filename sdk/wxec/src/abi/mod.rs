//! What a module and its callers must do in the same way: which types travel, how errors are described, what a record
//! looks like. The guest's half is here too, as far as it needs no import, so that native tests can run it.

pub(crate) mod arguments;
pub mod failure;
pub(crate) mod form;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod record;
pub(crate) mod types;
