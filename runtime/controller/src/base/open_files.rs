//! The limit on open files, which a large fleet would reach.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that this program may open at most: four for each of 16,000 hosts. Not as many as the
/// system allows, because some programs look through all their possible files as they start, and
/// those that are started here have this program's limit.
const OPEN_FILES: u64 = 1 << 16;

/// Raises the limit, from the usual thousand, once half of it is used. A new file has the lowest
/// free number, so that the number of `newest` tells how many are open. A program with few hosts
/// keeps its limit.
pub(crate) fn make_room(newest: BorrowedFd<'_>) {
    let limit = getrlimit(Resource::Nofile);
    let open = u64::try_from(newest.as_raw_fd()).unwrap_or(0);
    if let Some(wanted) = wanted(open, limit.current, limit.maximum) {
        let raised = Rlimit {
            current: Some(wanted),
            ..limit
        };
        // Ignores errors: the limit will be reported by the first host that finds no room.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// Returns the limit that takes the place of `current`, if so many `open` files need another one.
fn wanted(open: u64, current: Option<u64>, maximum: Option<u64>) -> Option<u64> {
    let wanted = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    let current = current?;
    (open >= current / 2 && current < wanted).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_program_with_many_files_gets_room_for_more() {
        assert_eq!(wanted(511, Some(1024), Some(4096)), None);
        assert_eq!(wanted(512, Some(1024), Some(4096)), Some(4096));
        assert_eq!(wanted(2048, Some(4096), Some(4096)), None);
        assert_eq!(wanted(512, Some(1024), Some(1 << 20)), Some(OPEN_FILES));
        assert_eq!(wanted(600, Some(1024), None), Some(OPEN_FILES));
        assert_eq!(wanted(100_000, Some(1 << 17), None), None);
        assert_eq!(wanted(100_000, None, None), None);
    }
}
