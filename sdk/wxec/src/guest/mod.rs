//! The guest's side: how a task runs in its module.

mod absent;
mod executor;
mod imports;
mod run;

pub use absent::{
    Address, AddressError, AgentImage, Bound, BuildError, Call, CallError, CallErrorKind, CallFuture, CallTarget,
    Check, CheckStatus, Error, Fleet, FleetCall, FleetError, Host, Module, ModuleError, Operation, Outcome, Outcomes,
    OutputHandler, Phase, Progress, ProgressEvent, Quiet, Result, SshAddress, Stats, StderrProgress, Unreachable,
    Value, Work,
};

pub(crate) mod for_macros {
    pub use super::{executor::block_on, run::run};
}
