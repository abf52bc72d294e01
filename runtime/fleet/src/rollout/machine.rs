//! The state machine of a run: it is told what happened on hosts and how late it is, and says what
//! to do next.

use std::{collections::VecDeque, mem, ops::Range, sync::Arc, time::Duration};

use wxec_controller::LinkState;

use super::{
    ending::{Again, Ending, Verdict},
    event::{EventKind, StopReason},
    members::{Member, State},
    order::Random,
    rules::Rules,
};

/// The pause before the second attempt on a host. It doubles with each, up to `MAX_PAUSE`, and is
/// varied by half, so that hosts which failed together do not come back together.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The next thing to do. Hosts are named by their positions in the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Connect to this host.
    Connect(usize),
    /// Begin the work on this host.
    Start(usize),
    /// Ask the gate, about these hosts.
    Gate(Vec<usize>),
    /// Cancel what is under way on these hosts.
    Cancel(Vec<usize>),
    /// Wait for something to end, but not beyond this time.
    Wait(Option<Duration>),
    /// All hosts have ended.
    Over,
}

/// The fate of a host after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Final,
    Again,
}

/// The parts of a run beside its rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conditions {
    pub(crate) parallel: usize,
    /// True if the run connects to hosts before their work.
    pub(crate) connects: bool,
    /// True if the work may begin twice on a host.
    pub(crate) idempotent: bool,
    /// Varies the pauses between attempts.
    pub(crate) seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Probe,
    Batch(usize),
    /// The pause after this batch, until then.
    Pause(usize, Duration),
    /// Before the gate after this batch is asked, and while it is.
    Gate(usize),
    Asking(usize),
    Over,
}

/// A run on many hosts.
pub(crate) struct Rollout {
    pub(super) rules: Rules,
    pub(super) conditions: Conditions,
    pub(super) members: Vec<Member>,
    pub(super) order: Vec<usize>,
    /// Places in `order`.
    pub(super) batches: Vec<Range<usize>>,
    pub(super) allowed: Option<usize>,
    pub(super) stage: Stage,
    /// Hosts of the stage that have something to begin, in order.
    pub(super) queue: VecDeque<usize>,
    /// Hosts of the stage that are to be tried again, and when.
    pub(super) waiting: Vec<(Duration, usize)>,
    /// Number of hosts of the stage for which it is not over.
    pub(super) unsettled: usize,
    pub(super) active: usize,
    /// Hosts behind each hop to which connections are being made.
    pub(super) connecting: Vec<usize>,
    pub(super) failed: usize,
    pub(super) unreachable: usize,
    pub(super) stopped: Option<StopReason>,
    /// True if work under way is to be cancelled.
    pub(super) cut: bool,
    pub(super) jitter: Random,
    pub(super) events: Vec<EventKind>,
}

impl Rollout {
    /// Makes a run on `hosts`: their names, and the number of the hop before each.
    pub(crate) fn new(
        rules: Rules,
        conditions: Conditions,
        hosts: Vec<(Arc<str>, Option<usize>)>,
    ) -> Self {
        let schedule = rules.schedule(hosts.len());
        let mut batches: Vec<Range<usize>> = Vec::new();
        for size in schedule.batches() {
            let begin = batches.last().map_or(0, |batch| batch.end);
            batches.push(begin..begin + size);
        }
        let order = rules.order.of(hosts.len());
        let hops = hosts.iter().filter_map(|(_, hop)| *hop).max();
        let mut this = Self {
            members: hosts
                .into_iter()
                .map(|(name, hop)| Member::new(name, hop))
                .collect(),
            order,
            batches,
            allowed: schedule.allowed(),
            stage: Stage::Probe,
            queue: VecDeque::new(),
            waiting: Vec::new(),
            unsettled: 0,
            active: 0,
            connecting: vec![0; hops.map_or(0, |last| last + 1)],
            failed: 0,
            unreachable: 0,
            stopped: None,
            cut: false,
            jitter: Random(conditions.seed),
            events: Vec::new(),
            rules,
            conditions,
        };
        this.begin(schedule.batches());
        this
    }

    fn begin(&mut self, batches: &[usize]) {
        let names = self.order.iter().map(|host| &self.members[*host].name);
        let begun = EventKind::Begun {
            hosts: names.map(ToString::to_string).collect(),
            batches: batches.to_vec(),
            allowed: self.allowed,
        };
        self.events.push(begun);
        if self.batches.is_empty() {
            self.finish();
        } else if self.rules.probes() && self.conditions.connects {
            self.enter(Stage::Probe, 0..self.order.len());
        } else {
            self.begin_batch(0);
        }
    }

    /// Takes the events since the last time.
    pub(crate) fn events(&mut self) -> Vec<EventKind> {
        mem::take(&mut self.events)
    }

    /// Returns the next thing to do, `now` after the run began.
    pub(crate) fn next(&mut self, now: Duration) -> Step {
        let due = |deadline: &Duration| now >= *deadline;
        if let Some(deadline) = self.rules.deadline.filter(due)
            && self.stage != Stage::Over
        {
            self.stop(StopReason::Deadline {
                after_ms: millis(deadline),
            });
            self.cut = true;
        }
        match self.step(now) {
            Step::Wait(until) => {
                let deadline = self.rules.deadline.filter(|deadline| now < *deadline);
                Step::Wait(earliest(until, deadline))
            }
            step => step,
        }
    }

    fn step(&mut self, now: Duration) -> Step {
        loop {
            if self.stopped.is_some() && self.stage != Stage::Over {
                return self.wind_up();
            }
            match self.stage {
                Stage::Probe => match self.next_in_stage(now) {
                    Some(step) => return step,
                    None => self.begin_batch(0),
                },
                Stage::Batch(batch) => match self.next_in_stage(now) {
                    Some(step) => return step,
                    None => self.end_batch(batch, now),
                },
                Stage::Pause(batch, until) if until <= now => self.stage = Stage::Gate(batch),
                Stage::Pause(_, until) => return Step::Wait(Some(until)),
                Stage::Gate(batch) if self.rules.gate.is_some() => {
                    self.stage = Stage::Asking(batch);
                    self.events.push(EventKind::GateAsked { batch: batch + 1 });
                    return Step::Gate(self.done_in(batch));
                }
                Stage::Gate(batch) => self.begin_batch(batch + 1),
                Stage::Asking(_) => return Step::Wait(None),
                Stage::Over => return Step::Over,
            }
        }
    }

    /// Returns the next thing to do in this stage, as long as it has hosts that are not settled.
    fn next_in_stage(&mut self, now: Duration) -> Option<Step> {
        if self.unsettled == 0 {
            return None;
        }
        let due = self.waiting.extract_if(.., |(at, _)| *at <= now);
        due.for_each(|(_, host)| self.queue.push_front(host));
        let may_begin = |host: &usize| self.may_begin(*host);
        let has_room = self.active < self.conditions.parallel;
        let mut places = self.queue.iter().take_while(|_| has_room);
        let place = places.position(may_begin);
        match place.and_then(|place| self.queue.remove(place)) {
            Some(host) => Some(self.attempt(host)),
            None => Some(Step::Wait(self.waiting.iter().map(|(at, _)| *at).min())),
        }
    }

    /// Makes the hosts at these places those of a new stage.
    pub(super) fn enter(&mut self, stage: Stage, places: Range<usize>) {
        let hosts = self.order[places].iter().copied();
        let open = |host: &usize| self.members[*host].ending().is_none();
        self.queue = hosts.filter(open).collect();
        (self.stage, self.unsettled) = (stage, self.queue.len());
    }

    fn may_begin(&self, host: usize) -> bool {
        let Member { hop, state, .. } = &self.members[host];
        let connects = self.conditions.connects && *state != State::Ready;
        !connects || hop.is_none_or(|hop| self.connecting[hop] < self.rules.per_hop)
    }

    fn attempt(&mut self, host: usize) -> Step {
        let member = &mut self.members[host];
        self.active += 1;
        let (attempt, host_name) = (member.attempt + 1, member.name.to_string());
        if self.conditions.connects && member.state != State::Ready {
            member.state = State::Connecting;
            if let Some(hop) = member.hop {
                self.connecting[hop] += 1;
            }
            self.events.push(EventKind::Connecting {
                host: host_name,
                attempt,
            });
            return Step::Connect(host);
        }
        member.state = State::Working;
        (member.attempt, member.begun) = (attempt, true);
        self.events.push(EventKind::Started {
            host: host_name,
            attempt,
        });
        Step::Start(host)
    }

    /// Takes the end of connecting to a host.
    pub(crate) fn connected(
        &mut self,
        host: usize,
        result: Result<(), Verdict>,
        now: Duration,
    ) -> Fate {
        self.release(host);
        match result {
            Ok(()) => {
                let member = &mut self.members[host];
                member.state = State::Ready;
                if !member.begun {
                    member.last = None;
                }
                // In a batch, its work comes next.
                if self.stage == Stage::Probe {
                    self.unsettled -= 1;
                } else {
                    self.queue.push_front(host);
                }
                let member = &self.members[host];
                let host = member.name.to_string();
                self.events.push(EventKind::Connected { host });
                Fate::Again
            }
            Err(verdict) => {
                self.members[host].attempt += 1;
                self.failed(host, verdict, now)
            }
        }
    }

    /// Takes the news that work connects to its host, or has connected.
    pub(crate) fn linked(&mut self, (host, state): (usize, LinkState)) {
        let member = &self.members[host];
        if member.state != State::Working {
            return;
        }
        let (host, attempt) = (member.name.to_string(), member.attempt);
        self.events.extend(match state {
            LinkState::Connecting => Some(EventKind::Connecting { host, attempt }),
            LinkState::Connected => Some(EventKind::Connected { host }),
            LinkState::Idle => None,
        });
    }

    /// Takes the end of the work on a host.
    pub(crate) fn worked(&mut self, host: usize, verdict: Verdict, now: Duration) -> Fate {
        self.release(host);
        // Ctrl-C reaches the ssh processes on this terminal as well, and their ends look like
        // failures.
        let interrupted = self.stopped == Some(StopReason::Interrupted);
        match verdict.ending {
            Ending::Ok => self.end(host, Ending::Ok, None),
            _ if interrupted => self.end(host, Ending::Cancelled, verdict.error),
            _ => return self.failed(host, verdict, now),
        }
        Fate::Final
    }

    /// Takes the end of what was to be [cancelled](Step::Cancel).
    pub(crate) fn cancelled(&mut self, host: usize) {
        let working = self.members[host].state == State::Working;
        self.release(host);
        if working {
            self.end(host, Ending::Cancelled, None);
        } else {
            self.skip(host);
        }
    }

    pub(super) fn release(&mut self, host: usize) {
        self.active -= 1;
        let member = &self.members[host];
        if let (State::Connecting, Some(hop)) = (member.state, member.hop) {
            self.connecting[hop] -= 1;
        }
    }

    fn failed(&mut self, host: usize, verdict: Verdict, now: Duration) -> Fate {
        let Verdict {
            ending,
            error,
            again,
        } = verdict;
        let member = &mut self.members[host];
        let may_help = match again {
            Again::No => false,
            Again::Unbegun => true,
            Again::Idempotent => self.conditions.idempotent,
        };
        if !may_help || member.attempt > self.rules.retries || self.stopped.is_some() {
            self.end(host, ending, error);
            return Fate::Final;
        }
        let pause = pause(member.attempt, &mut self.jitter);
        member.state = State::Waiting;
        self.waiting.push((now + pause, host));
        member.last = Some((ending, error.clone()));
        self.events.push(EventKind::Retrying {
            host: member.name.to_string(),
            attempt: member.attempt,
            ending,
            error,
            in_ms: millis(pause),
        });
        Fate::Again
    }

    pub(super) fn end(&mut self, host: usize, ending: Ending, error: Option<String>) {
        let member = &mut self.members[host];
        member.state = State::Ended(ending);
        self.unsettled = self.unsettled.saturating_sub(1);
        self.events.push(EventKind::Ended {
            host: member.name.to_string(),
            ending,
            error,
        });
        self.failed += usize::from(ending.is_failure());
        self.unreachable += usize::from(ending == Ending::Unreachable);
        let failed = self.failed - self.unreachable.min(self.rules.unreachable_ok);
        if let Some(allowed) = self.allowed.filter(|allowed| failed > *allowed) {
            self.stop(StopReason::Failures { failed, allowed });
        }
    }
}

/// Returns the pause after this many attempts.
fn pause(attempts: u32, jitter: &mut Random) -> Duration {
    let doublings = attempts.saturating_sub(1).min(10);
    let pause = millis((PAUSE * (1 << doublings)).min(MAX_PAUSE));
    let varied = jitter.below(usize::try_from(pause).unwrap_or(usize::MAX).max(1));
    Duration::from_millis(pause / 2 + varied as u64)
}

fn earliest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
