//! Exit codes of `wxec`. Scripts rely on them.

use wxec::{
    CallErrorKind,
    call::{Phase, Unreachable},
    transfer::TransferErrorKind,
};

/// Everything that was requested is done.
pub(crate) const OK: u8 = 0;

/// A task returned an error, panicked, trapped or hit a limit; or a transfer failed.
pub(crate) const TASK_FAILED: u8 = 1;

/// A fault on this side: the command line, a configuration, a module or this machine. Also
/// arguments that do not fit the function, and a function that the module does not have.
pub(crate) const USAGE: u8 = 2;

/// A host was unreachable, or was lost while a call was open.
pub(crate) const HOST: u8 = 3;

/// Refused by a policy, or because a grant is missing.
pub(crate) const REFUSED: u8 = 4;

/// A bug in wxec.
pub(crate) const BUG: u8 = 70;

/// A call was not done at its deadline.
pub(crate) const DEADLINE: u8 = 124;

/// Stdout is a pipe whose reader has gone. The number is a shell's code for a process that SIGPIPE
/// ended.
pub(crate) const BROKEN_PIPE: u8 = 141;

/// Interrupted by Ctrl-C, SIGTERM or SIGQUIT. Calls were cancelled.
pub(crate) const INTERRUPTED: u8 = 130;

/// On several hosts, the exit code is the first of these that occurred.
const PRECEDENCE: [u8; 8] = [
    BUG,
    INTERRUPTED,
    REFUSED,
    DEADLINE,
    HOST,
    TASK_FAILED,
    USAGE,
    BROKEN_PIPE,
];

/// Returns the one code that stands for `codes`.
pub(crate) fn of_all(codes: &[u8]) -> u8 {
    PRECEDENCE
        .into_iter()
        .find(|code| codes.contains(code))
        .unwrap_or(OK)
}

/// Returns the code for a call that failed.
pub(crate) fn of_call<E>(kind: &CallErrorKind<E>) -> u8 {
    match kind {
        CallErrorKind::Unreachable(failure) => of_unreachable(failure),
        CallErrorKind::Lost { .. } => HOST,
        CallErrorKind::Denied { .. } | CallErrorKind::PreviewRefused(_) => REFUSED,
        CallErrorKind::Timeout { .. } => DEADLINE,
        CallErrorKind::Cancelled => INTERRUPTED,
        CallErrorKind::NoSuchFunction { .. }
        | CallErrorKind::BadArguments(_)
        | CallErrorKind::BadModule(_)
        | CallErrorKind::Module { .. }
        | CallErrorKind::Encode(_) => USAGE,
        CallErrorKind::CannotWrite {
            reader_gone: true, ..
        } => BROKEN_PIPE,
        // A fault on this machine.
        CallErrorKind::CannotWrite { .. } => USAGE,
        CallErrorKind::Agent(_) => BUG,
        // Includes `Decode`: the CLI accepts any CBOR, so a result that is not CBOR is the guest's
        // fault.
        _ => TASK_FAILED,
    }
}

fn of_unreachable(failure: &Unreachable) -> u8 {
    match failure.phase {
        Phase::Address | Phase::Local => USAGE,
        Phase::Policy => REFUSED,
        _ => HOST,
    }
}

/// Returns the code for a transfer that failed.
pub(crate) fn of_transfer(kind: &TransferErrorKind) -> u8 {
    match kind {
        TransferErrorKind::Unreachable(failure) => of_unreachable(failure),
        TransferErrorKind::Lost { .. } => HOST,
        TransferErrorKind::Timeout { .. } => DEADLINE,
        TransferErrorKind::SameTarget { .. } => USAGE,
        TransferErrorKind::Agent(_) => BUG,
        _ => TASK_FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_code_wins() {
        assert_eq!(of_all(&[]), OK);
        assert_eq!(of_all(&[OK, TASK_FAILED, HOST, OK]), HOST);
        assert_eq!(of_all(&[HOST, DEADLINE, TASK_FAILED]), DEADLINE);
        assert_eq!(of_all(&[DEADLINE, INTERRUPTED, BUG]), BUG);
    }
}
