//! The verbs: one file each, with what can be typed after it and one function that does it.

pub(crate) mod apply;
pub(crate) mod build;
pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod facts;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod hosts;
pub(crate) mod inspect;
pub(crate) mod new;
pub(crate) mod plan;
pub(crate) mod put;
pub(crate) mod rsh;
pub(crate) mod run;
