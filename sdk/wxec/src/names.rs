//! Lists the names that only the controlling side has, once for both sides. The controlling side
//! re-exports them; a module has stand-ins for them. A program with tasks beside its `main` imports
//! such names, and these imports must resolve in its module as well, where no code uses them.

/// Hands the names to another macro.
macro_rules! controlling_side {
    ($then:ident) => {
        $then! {
            wxec_build {
                types: AbsenceReason AbsentTask AgentImage BuildError Check CheckStatus Features Progress ProgressEvent Quiet StderrProgress Work;
                functions: cache_directory checks end_builds is_shipped supervise_builds;
                constants: ;
            }
            wxec_controller {
                types: Address Attach Bound CallOptions Child ChildRemote ChildStdin ChildStdout Command CommandFailed CommandOutput
                    ConnectOptions Description Engine ExitStatus FileChange FileError FileErrorKind FileStep GuestOutput Hop IncompleteTransfer Instance LeftOut Links Module ModuleError
                    Operation OutputHandler Password Program ProgramOutput Report SshAddress Stats
                    Step Tagged Transfer TransferError TransferErrorKind TransferEvent TransferOptions
                    Transferred Value WindowSize;
                functions: explain set_progress;
                constants: MAX_HOPS MAX_LINE_BYTES SSH_CONFIG_VARIABLE;
            }
            wxec_fleet {
                types: BlockingIter Fleet FleetCall FleetError FleetRun FleetTransfer Outcome Outcomes;
                functions: name_for_host transfer_all;
                constants: ;
            }
        }
    };
}
