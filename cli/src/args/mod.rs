//! Operands and options that several commands have, as they are typed.

pub(crate) mod call_arguments;
pub(crate) mod complaint;
pub(crate) mod connect_args;
pub(crate) mod earlier_run;
pub(crate) mod environment;
pub(crate) mod feature_args;
pub(crate) mod grant_args;
pub(crate) mod limit_args;
pub(crate) mod misplaced;
pub(crate) mod module_name;
pub(crate) mod negative_numbers;
pub(crate) mod remote_path;
pub(crate) mod rollout_args;
pub(crate) mod target;
pub(crate) mod tips;
pub(crate) mod transfer_args;
