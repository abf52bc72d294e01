//! Executing a file without a name.

use core::{
    ffi::{CStr, c_char, c_int},
    ptr,
};

use rustix::fd::{AsFd, AsRawFd};

/// The variables that the starter was given, for the agent.
#[derive(Clone, Copy)]
pub(crate) struct Environment(pub(crate) *const *const c_char);

/// Becomes the program in `file`, with `title` as the only word of its command line. Returns if that
/// fails.
pub(super) fn execute(file: impl AsFd, title: &CStr, environment: Environment) {
    become_program(file, title, environment.0);
}

/// Returns true if the system executes files there: for an empty `file` it gets as far as finding
/// out that this is no program.
pub(super) fn can_execute(file: impl AsFd) -> bool {
    become_program(file, c"", [ptr::null()].as_ptr()) == libc::ENOEXEC
}

/// Returns the reason why it failed.
fn become_program(file: impl AsFd, title: &CStr, environment: *const *const c_char) -> c_int {
    let words = [title.as_ptr(), ptr::null()];
    // SAFETY: both lists are of strings and end with a null pointer. The C library takes the detour
    // over /proc on systems that cannot execute a file descriptor.
    unsafe {
        libc::fexecve(file.as_fd().as_raw_fd(), words.as_ptr(), environment);
        *libc::__errno_location()
    }
}
