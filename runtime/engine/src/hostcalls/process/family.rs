//! The processes of one call, with all they started: how they are known when the call is over.

use std::{env, sync::Arc};

use rustix::process::{Pid, test_kill_process_group};

use super::sweep::{Left, MARK};
use crate::supply::Supply;

/// Groups that outlived their first process, before it is asked which of them still live.
const MANY_GROUPS: usize = 64;

/// What is left of a call's processes is looked for when this is dropped.
#[derive(Default)]
pub(crate) struct Family {
    /// From the first process on.
    left: Option<(Arc<Supply>, Left)>,
}

impl Family {
    /// The variable that marks a process as one of this call. If the agent runs in a call itself,
    /// that one's mark stays.
    pub(super) fn mark(&mut self, supply: &Arc<Supply>) -> (&'static str, String) {
        let first = || (supply.clone(), Left { marks: vec![supply.reaper.new_mark()], groups: Vec::new() });
        let (_, left) = self.left.get_or_insert_with(first);
        let outer = env::var(MARK).map(|outer| format!("{outer} ")).unwrap_or_default();
        (MARK, format!("{outer}{}", left.marks[0]))
    }

    /// The first process of this group has ended, and others live on in it.
    pub(super) fn add(&mut self, group: Pid) {
        let Some((_, left)) = &mut self.left else { return };
        if left.groups.len() >= MANY_GROUPS {
            left.groups.retain(|group| test_kill_process_group(*group).is_ok());
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
