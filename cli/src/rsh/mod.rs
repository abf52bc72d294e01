//! `wxec rsh`: stands in for ssh, for tools that run it, over any address.
//!
//! This module reads its command line itself, instead of clap, because the syntax is ssh's: see
//! [`typed`], [`meaning`] and [`destination`].

pub(crate) mod address;
pub(crate) mod destination;
pub(crate) mod meaning;
pub(crate) mod remote;
pub(crate) mod run;
pub(crate) mod typed;
