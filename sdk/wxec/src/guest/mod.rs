//! The guest's side: how a task runs in its module.

mod absent;
mod ask;
mod executor;
mod imports;
mod logger;
pub mod net;
pub mod process;
mod run;
mod stream;

pub use absent::*;

pub(crate) mod for_macros {
    pub use super::{executor::block_on, run::run};
}
