//! Names of the controlling side. A program whose tasks stand beside its `main` imports them, and its imports must
//! resolve in its module as well, where nothing is left that uses them. There are no values of these types.

macro_rules! absent {
    ($($name:ident)*) => {$(
        #[doc = concat!("Stands in for `", stringify!($name), "` of the controlling side.")]
        #[derive(Debug)]
        pub enum $name {}
    )*};
}

absent! {
    Address AgentImage Attach Bound BuildError Check CheckStatus Child ChildRemote ChildStdin ChildStdout Command
    CommandFailed CommandOutput ConnectOptions Description Engine ExitStatus Fleet FleetCall
    FleetError GuestOutput Hop Instance Module ModuleError Operation Outcome Outcomes OutputHandler Password Phase Program
    ProgramOutput Progress ProgressEvent Quiet Report SshAddress Stats StderrProgress Step Value WindowSize
    Work
}
