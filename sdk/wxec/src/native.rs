//! The controlling side: the public items of `wxec-controller` and `wxec-build`, and what the output of the macros needs.

mod task;

pub use wxec_build::{
    AgentImage, BuildError, Check, CheckStatus, Progress, ProgressEvent, Quiet, StderrProgress, Work, cache_directory,
    checks,
};
pub use wxec_controller::{
    Address, AddressError, Attach, Bound, Call, CallError, CallErrorKind, CallFuture, CallTarget, ConnectOptions,
    Description, Engine, Error, Fleet, FleetCall, FleetError, Hop, Host, Instance, MAX_HOPS, Module, ModuleError,
    Operation, Outcome, Outcomes, OutputHandler, Password, Phase, Program, ProgramOutput, Report, Result,
    SSH_CONFIG_VARIABLE, SshAddress, Stats, Step, Unreachable, Value, explain, set_progress,
};

pub(crate) mod for_macros {
    pub use wxec_build::Origin;
    pub use wxec_controller::Task;

    pub use super::task::{Arguments, call, origin};
}
