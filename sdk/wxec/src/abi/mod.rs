//! Code that a module and its callers must share: the types that travel, the description of errors,
//! the layout of a record. The guest's half is here too, as far as it needs no import, so that
//! native tests can run it.

pub(crate) mod arguments;
pub mod failure;
pub(crate) mod form;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod record;
pub(crate) mod types;
