//! The end of a run: after its last host, or before it, and why.

use super::{
    ending::Ending,
    event::{EventKind, StopReason, Stopped},
    machine::{Rollout, Stage, Step},
    members::{Member, State},
};

impl Rollout {
    /// Stops, and cancels the work under way.
    pub(crate) fn interrupt(&mut self) {
        if self.stage != Stage::Over {
            self.stop(StopReason::Interrupted);
            self.cut = true;
        }
    }

    /// Returns the final state of a host, once it has one.
    pub(crate) fn ending(&self, host: usize) -> Option<Ending> {
        self.members[host].ending()
    }

    /// Returns true if no work will begin any more.
    pub(crate) fn has_begun_everywhere(&self) -> bool {
        // Work that has begun on a host may turn out not to have: then it is tried again.
        let once = self.rules.retries == 0;
        let mut members = self.members.iter();
        members.all(|member| member.ending().is_some() || once && member.begun)
    }

    /// Returns why the run stopped, with the hosts that have no outcome, once it is over.
    pub(crate) fn stopped(&self) -> Option<Stopped> {
        let ended = |ending| {
            let members = self.order.iter().map(|host| &self.members[*host]);
            let ended = members.filter(move |member| member.ending() == Some(ending));
            ended.map(|member| member.name.clone()).collect()
        };
        Some(Stopped {
            reason: self.stopped.clone()?,
            cancelled: ended(Ending::Cancelled),
            not_started: ended(Ending::Skipped),
        })
    }

    /// Ends a host on which no attempt is under way.
    pub(super) fn skip(&mut self, host: usize) {
        let last = self.members[host].last.take();
        let (ending, error) = last.unwrap_or((Ending::Skipped, None));
        self.end(host, ending, error);
    }

    pub(super) fn stop(&mut self, reason: StopReason) {
        if self.stopped.is_some() {
            return;
        }
        self.cut |= self.rules.stop_now;
        self.stopped = Some(reason.clone());
        self.events.push(EventKind::Stopped { reason });
    }

    /// Ends what does not go on after the stop, and waits for what does.
    pub(super) fn wind_up(&mut self) -> Step {
        let cut = self.cut;
        let ends = |member: &Member| {
            !member.cancelling
                && (member.state == State::Connecting || cut && member.state == State::Working)
        };
        let mut cancel = Vec::new();
        for (host, member) in self.members.iter_mut().enumerate() {
            if ends(member) {
                member.cancelling = true;
                cancel.push(host);
            }
        }
        if !cancel.is_empty() {
            return Step::Cancel(cancel);
        }
        if self.active > 0 {
            return Step::Wait(None);
        }
        for place in 0..self.order.len() {
            let host = self.order[place];
            if self.members[host].ending().is_none() {
                self.skip(host);
            }
        }
        self.finish();
        Step::Over
    }

    pub(super) fn finish(&mut self) {
        self.stage = Stage::Over;
        let count = |wanted: fn(Ending) -> bool| {
            let endings = self.members.iter().filter_map(Member::ending);
            endings.filter(|ending| wanted(*ending)).count()
        };
        let over = EventKind::Over {
            ok: count(|ending| ending == Ending::Ok),
            failed: count(Ending::is_failure),
            cancelled: count(|ending| ending == Ending::Cancelled),
            skipped: count(|ending| ending == Ending::Skipped),
        };
        self.events.push(over);
    }
}
