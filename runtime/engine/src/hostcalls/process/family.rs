//! The processes of one call and all they started, with marks to find them by when the call is
//! over.

use std::{env, sync::Arc};

use rustix::process::{Pid, test_kill_process_group};

use super::sweep::{Left, MARK};
use crate::call::supply::Supply;

/// Number of groups that outlived their first process, from which on ended groups are removed.
const MANY_GROUPS: usize = 64;

/// Marks of a call's processes. Dropping this starts a search for processes that are left.
#[derive(Default)]
pub(crate) struct Family {
    /// `None` before the first process.
    left: Option<(Arc<Supply>, Left)>,
}

impl Family {
    /// Returns the variable that marks a process as one of this call. If the agent itself runs in a
    /// call, the mark of that call stays.
    pub(super) fn mark(&mut self, supply: &Arc<Supply>) -> (&'static str, String) {
        let first = || {
            (
                supply.clone(),
                Left {
                    marks: vec![supply.reaper.new_mark()],
                    groups: Vec::new(),
                },
            )
        };
        let (_, left) = self.left.get_or_insert_with(first);
        let outer = env::var(MARK)
            .map(|outer| format!("{outer} "))
            .unwrap_or_default();
        (MARK, format!("{outer}{}", left.marks[0]))
    }

    /// Adds a group whose first process has ended, and in which other processes live on.
    pub(super) fn add(&mut self, group: Pid) {
        let Some((_, left)) = &mut self.left else {
            return;
        };
        if left.groups.len() >= MANY_GROUPS {
            left.groups
                .retain(|group| test_kill_process_group(*group).is_ok());
        }
        left.groups.push(group);
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        if let Some((supply, left)) = self.left.take() {
            supply.reaper.look_for(left);
        }
    }
}
