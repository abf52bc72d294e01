//! The guest's side: how a task runs in its module.

mod absent;
mod executor;
mod imports;
mod run;

pub use absent::*;

pub(crate) mod for_macros {
    pub use super::{executor::block_on, run::run};
}
