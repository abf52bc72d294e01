//! A stdout that was closed before this program began, as by `>&-`.
//!
//! Rust's runtime opens `/dev/null` in the place of such a file, before `main`, so that no other file gets its number. Then whatever is
//! printed is lost without a word. So it is looked at earlier.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::{
    fs::{Mode, OFlags, open},
    io::fcntl_getfd,
    stdio::{dup2_stdout, stdout},
};

static STDOUT_IS_CLOSED: AtomicBool = AtomicBool::new(false);

#[ctor::ctor(unsafe)]
fn look() {
    STDOUT_IS_CLOSED.store(fcntl_getfd(stdout()).is_err(), Ordering::Relaxed);
}

/// Puts a file that takes nothing in the place of a stdout that was closed: writing to it fails as if it still were.
pub(crate) fn keep_closed() {
    if STDOUT_IS_CLOSED.load(Ordering::Relaxed)
        && let Ok(null) = open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    {
        let _ = dup2_stdout(null);
    }
}
