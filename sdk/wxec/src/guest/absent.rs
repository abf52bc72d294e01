//! Names of the controlling side. A program whose tasks stand beside its `main` imports them, and its imports must
//! resolve in its module as well, where nothing is left that uses them. There are no values of these types.

/// Stands in for `Result` of the controlling side.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Stands in for `CallTarget` of the controlling side.
pub trait CallTarget {}

macro_rules! absent {
    ($($name:ident)*) => {$(
        #[doc = concat!("Stands in for `", stringify!($name), "` of the controlling side.")]
        #[derive(Debug)]
        pub enum $name {}
    )*};
}

absent! {
    Address AddressError AgentImage Attach Bound BuildError Call CallError CallErrorKind CallFuture Check CheckStatus
    ConnectOptions Description Engine Error Fleet FleetCall FleetError GuestOutput Hop Host Module ModuleError Operation Outcome
    Outcomes OutputHandler Password Phase Program ProgramOutput Progress ProgressEvent Quiet Report SshAddress Stats StderrProgress Step
    Unreachable Value Work
}
