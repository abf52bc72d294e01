//! Random runs against a small model, and against the rules that hold for each of them.

use std::time::Duration;

use proptest::prelude::*;
use wxec_controller::{CallError, CallErrorKind, Phase, Unreachable};

use super::{
    Amount, Batches, Conditions, Ending, EventKind, Fate, Order, Rollout, Rules, Step, StopReason,
    Verdict,
};

/// The behaviour of one host.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Its number, from which it has its name.
    pub(crate) number: usize,
    hop: Option<usize>,
    /// Attempts to connect that fail; `None` if all do.
    refusals: Option<u32>,
    /// Attempts at the work that fail, and how.
    failures: u32,
    failure: Ending,
    /// The time that each thing takes, in seconds.
    takes: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) hosts: Vec<Script>,
    batches: Option<String>,
    max_fail: Option<Amount>,
    unreachable_ok: usize,
    retries: u32,
    idempotent: bool,
    parallel: usize,
    per_hop: usize,
    lazy: bool,
    connects: bool,
    stop_now: bool,
    seed: Option<u64>,
    /// The batch after which the gate refuses.
    refused_after: Option<usize>,
    pause: Option<u64>,
    deadline: Option<u64>,
    interrupt: Option<u64>,
}

impl Script {
    /// Returns this behaviour for the host of this number.
    pub(crate) fn of(self, number: usize) -> Self {
        Self { number, ..self }
    }
}

impl Case {
    /// Returns the case with other hosts.
    pub(crate) fn with_hosts(self, hosts: Vec<Script>) -> Self {
        Self { hosts, ..self }
    }

    /// Returns the case for which the model says all: one host at a time, without retries and ends
    /// from outside.
    pub(crate) fn in_turn(self) -> Self {
        Self {
            parallel: 1,
            retries: 0,
            deadline: None,
            interrupt: None,
            ..self
        }
    }

    fn rules(&self) -> Rules {
        let refused = self.refused_after.is_some();
        let mut rules = Rules::new()
            .unreachable_ok(self.unreachable_ok)
            .retries(self.retries)
            .per_hop(self.per_hop)
            .order(self.seed.map_or(Order::Given, Order::Shuffled));
        if let Some(batches) = &self.batches {
            rules = rules.batches(batches.parse().unwrap());
        }
        if let Some(max_fail) = self.max_fail {
            rules = rules.max_fail(max_fail);
        }
        if let Some(pause) = self.pause {
            rules = rules.pause(Duration::from_secs(pause));
        }
        if let Some(deadline) = self.deadline {
            rules = rules.deadline(Duration::from_secs(deadline));
        }
        if refused {
            // The test answers in its place.
            rules = rules.gate(|_| async { Ok(()) });
        }
        if self.lazy {
            rules = rules.lazy();
        }
        if self.stop_now {
            rules = rules.stop_now();
        }
        rules
    }

    fn conditions(&self) -> Conditions {
        Conditions {
            parallel: self.parallel,
            connects: self.connects,
            idempotent: self.idempotent,
            seed: 1,
        }
    }

    /// Returns the final state of a host that is left to itself.
    fn outcome(&self, host: usize) -> Ending {
        let Script {
            refusals,
            failures,
            failure,
            ..
        } = self.hosts[host];
        let refusals = if self.connects { refusals } else { Some(0) };
        let Some(refusals) = refusals.filter(|refusals| *refusals <= self.retries) else {
            return Ending::Unreachable;
        };
        let failures = if self.idempotent || failures == 0 {
            failures
        } else {
            u32::MAX
        };
        if failures <= self.retries - refusals {
            Ending::Ok
        } else {
            failure
        }
    }
}

/// The model: which hosts are begun, in which order, and their final states, where one host is
/// worked on at a time and nothing is tried again. Also the exit code of a command.
pub(crate) fn model(case: &Case) -> (Vec<usize>, Vec<Ending>, u8) {
    let hosts = case.hosts.len();
    let order = case.seed.map_or(Order::Given, Order::Shuffled).of(hosts);
    let sizes = case.batches.as_ref().map_or_else(
        || vec![hosts],
        |batches| batches.parse::<Batches>().unwrap().sizes(hosts),
    );
    let allowed = match case.max_fail {
        Some(Amount::Hosts(count)) => count,
        Some(Amount::Percent(percent)) => hosts * usize::from(percent) / 100,
        None if case.batches.is_some() => 0,
        None => usize::MAX,
    };
    let mut endings = vec![Ending::Skipped; hosts];
    let mut begun = Vec::new();
    let exceeded = |endings: &[Ending]| {
        let failed = endings.iter().filter(|ending| ending.is_failure()).count();
        let gone = endings.iter().filter(|it| **it == Ending::Unreachable);
        failed - gone.count().min(case.unreachable_ok) > allowed
    };
    let probes = case.batches.is_some() && !case.lazy && case.connects;
    let unreachable = |host: &&usize| case.outcome(**host) == Ending::Unreachable;
    for host in order.iter().filter(|_| probes).filter(unreachable) {
        endings[*host] = Ending::Unreachable;
        if exceeded(&endings) {
            return (begun, endings, 3);
        }
    }
    let mut left = &order[..];
    'batches: for (batch, size) in sizes.into_iter().enumerate() {
        let (now, later) = left.split_at(size);
        left = later;
        for host in now {
            if endings[*host] == Ending::Unreachable {
                continue;
            }
            endings[*host] = case.outcome(*host);
            if endings[*host] != Ending::Unreachable {
                begun.push(*host);
            }
            if exceeded(&endings) {
                break 'batches;
            }
        }
        let reached = now.iter().any(|host| endings[*host] != Ending::Unreachable);
        if case.refused_after == Some(batch) && reached && !left.is_empty() {
            break;
        }
    }
    let code = exit_code(&endings);
    (begun, endings, code)
}

/// The exit code that a command has for these final states.
fn exit_code(endings: &[Ending]) -> u8 {
    let of = |ending: &Ending| match ending {
        Ending::Denied => 4,
        Ending::Timeout => 124,
        Ending::Unreachable | Ending::Lost => 3,
        Ending::Ok => 0,
        _ => 1,
    };
    let codes: Vec<u8> = endings.iter().map(of).collect();
    let first = [4, 124, 3, 1].into_iter().find(|code| codes.contains(code));
    first.unwrap_or(0)
}

/// The steps of a run.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) begun: Vec<usize>,
    pub(crate) events: Vec<EventKind>,
    endings: Vec<Ending>,
    most_at_work: usize,
    most_per_hop: usize,
    finals: usize,
}

impl Trace {
    /// Returns the exit code of a command that did this.
    pub(crate) fn exit_code(&self) -> u8 {
        exit_code(&self.endings)
    }
}

/// Runs a case with a clock of its own.
pub(crate) fn simulate(case: &Case) -> Trace {
    let names = |script: &Script| (format!("h{}", script.number).into(), script.hop);
    let hosts = case.hosts.iter().map(names).collect();
    let mut rollout = Rollout::new(case.rules(), case.conditions(), hosts);
    let mut trace = Trace::default();
    let mut now = Duration::ZERO;
    let mut tries = vec![(0, 0); case.hosts.len()];
    // The times at which something ends: the host, and whether that is connecting.
    let mut under_way: Vec<(Duration, usize, bool)> = Vec::new();
    let mut interrupt = case.interrupt.map(Duration::from_secs);
    loop {
        let is_begun = rollout.has_begun_everywhere();
        let step = rollout.next(now);
        let begins = matches!(step, Step::Start(_));
        assert!(!(is_begun && begins), "no work begins once all has");
        trace.events.extend(rollout.events());
        match step {
            Step::Connect(host) | Step::Start(host) => {
                let takes = Duration::from_secs(case.hosts[host].takes);
                under_way.push((now + takes, host, step == Step::Connect(host)));
                trace
                    .begun
                    .extend((step == Step::Start(host)).then_some(host));
            }
            Step::Gate(_) => {
                let batches = |event: &&EventKind| matches!(event, EventKind::BatchEnded { .. });
                let batch = trace.events.iter().filter(batches).count() - 1;
                let refuses = case.refused_after == Some(batch);
                rollout.answered(if refuses { Err("no".into()) } else { Ok(()) });
            }
            Step::Cancel(hosts) => {
                under_way.retain(|(_, host, _)| !hosts.contains(host));
                hosts.iter().for_each(|host| rollout.cancelled(*host));
            }
            Step::Wait(until) => {
                under_way.sort();
                let next = under_way.first().map(|(at, ..)| *at);
                let times = [until, next, interrupt].into_iter().flatten();
                let at = times.min().expect("a run waits for something");
                assert!(at > now || next == Some(at) || interrupt == Some(at));
                now = at;
                if interrupt == Some(at) {
                    interrupt = None;
                    rollout.interrupt();
                } else if next == Some(at) {
                    let (_, host, connecting) = under_way.remove(0);
                    let fate = arrive(case, &mut rollout, &mut tries, host, connecting, now);
                    trace.finals += usize::from(fate == Fate::Final);
                }
            }
            Step::Over => break,
        }
        trace.most_at_work = trace.most_at_work.max(under_way.len());
        for hop in 0..2 {
            let at_hop = |(_, host, connecting): &&(Duration, usize, bool)| {
                *connecting && case.hosts[*host].hop == Some(hop)
            };
            let connecting = under_way.iter().filter(at_hop).count();
            trace.most_per_hop = trace.most_per_hop.max(connecting);
        }
    }
    let ending = |host| rollout.ending(host).expect("all have ended");
    trace.endings = (0..case.hosts.len()).map(ending).collect();
    trace
}

fn arrive(
    case: &Case,
    rollout: &mut Rollout,
    tries: &mut [(u32, u32)],
    host: usize,
    connecting: bool,
    now: Duration,
) -> Fate {
    let script = &case.hosts[host];
    let (connects, works) = &mut tries[host];
    if connecting {
        *connects += 1;
        let reached = script.refusals.is_some_and(|refusals| *connects > refusals);
        let verdict = Verdict::test(Ending::Unreachable);
        return rollout.connected(host, reached.then_some(()).ok_or(verdict), now);
    }
    *works += 1;
    let verdict = if *works > script.failures {
        Verdict::ok()
    } else {
        Verdict::test(script.failure)
    };
    rollout.worked(host, verdict, now)
}

pub(crate) fn scripts() -> impl Strategy<Value = Script> {
    let failure = prop::sample::select(vec![
        Ending::Failed,
        Ending::Trapped,
        Ending::Timeout,
        Ending::Lost,
    ]);
    let hop = prop::option::of(0..2_usize);
    let refusals = prop_oneof![8 => Just(Some(0)), 1 => (0..4_u32).prop_map(Some), 1 => Just(None)];
    let failures = prop_oneof![8 => Just(0_u32), 2 => 0..4_u32];
    (hop, refusals, failures, failure, 0..20_u64).prop_map(
        |(hop, refusals, failures, failure, takes)| Script {
            number: 0,
            hop,
            refusals,
            failures,
            failure,
            takes,
        },
    )
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let size = prop_oneof![
        (1..9_usize).prop_map(|count| count.to_string()),
        (1..101_u8).prop_map(|percent| format!("{percent}%")),
    ];
    let batches = (prop::collection::vec(size, 1..4), any::<bool>()).prop_map(|(sizes, rest)| {
        let rest = if rest { ",rest" } else { "" };
        format!("{}{rest}", sizes.join(","))
    });
    let max_fail = prop_oneof![
        (0..5_usize).prop_map(Amount::Hosts),
        (0..101_u8).prop_map(Amount::Percent),
    ];
    let limits = (
        prop::option::of(max_fail),
        0..3_usize,
        0..3_u32,
        any::<bool>(),
    );
    let width = (
        1..6_usize,
        1..4_usize,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    let times = (
        prop::option::weighted(0.3, 0..4_usize),
        prop::option::weighted(0.3, 1..60_u64),
        prop::option::weighted(0.2, 0..200_u64),
        prop::option::weighted(0.2, 0..200_u64),
    );
    let hosts = prop::collection::vec(scripts(), 0..40);
    let seed = prop::option::of(any::<u64>());
    (hosts, prop::option::of(batches), limits, width, seed, times).prop_map(
        |(hosts, batches, limits, width, seed, times)| Case {
            hosts: (0..)
                .zip(hosts)
                .map(|(number, host)| host.of(number))
                .collect(),
            batches,
            max_fail: limits.0,
            unreachable_ok: limits.1,
            retries: limits.2,
            idempotent: limits.3,
            parallel: width.0,
            per_hop: width.1,
            lazy: width.2,
            connects: width.3,
            stop_now: width.4,
            seed,
            refused_after: times.0,
            pause: times.1,
            deadline: times.2,
            interrupt: times.3,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_run_does_what_the_model_does(case in cases()) {
        let case = case.in_turn();
        let trace = simulate(&case);
        let (begun, endings, code) = model(&case);
        prop_assert_eq!(&trace.begun, &begun);
        prop_assert_eq!(&trace.endings, &endings);
        prop_assert_eq!(trace.exit_code(), code);
    }

    #[test]
    fn every_run_keeps_the_rules(case in cases()) {
        let trace = simulate(&case);
        prop_assert!(trace.most_at_work <= case.parallel);
        prop_assert!(trace.most_per_hop <= case.per_hop);
        check_endings(&case, &trace);
        check_events(&case, &trace.events);
    }
}

/// Every host has one final state: its own, unless the run was stopped before.
fn check_endings(case: &Case, trace: &Trace) {
    let stopped = trace.events.iter().any(is_stop);
    for (host, ending) in trace.endings.iter().enumerate() {
        let begun = trace.begun.iter().filter(|begun| **begun == host).count();
        match ending {
            Ending::Skipped => assert!(stopped && begun == 0),
            Ending::Cancelled => assert!(stopped && begun > 0),
            ending if !stopped => assert_eq!(*ending, case.outcome(host)),
            _ => {}
        }
        let most = if case.idempotent { case.retries + 1 } else { 1 };
        assert!(begun <= most as usize);
    }
    let with_outcome = |ending: &&Ending| !matches!(ending, Ending::Skipped | Ending::Cancelled);
    let with_outcome = trace.endings.iter().filter(with_outcome).count();
    assert!(trace.finals <= case.hosts.len() && (stopped || trace.finals == with_outcome));
}

/// The work found its host gone, so it has not begun, and may yet.
#[test]
fn work_that_is_tried_again_has_not_begun_everywhere() {
    let conditions = Conditions {
        parallel: 1,
        connects: false,
        idempotent: false,
        seed: 1,
    };
    let rules = Rules::new().retries(1);
    let mut rollout = Rollout::new(rules, conditions, vec![("web1".into(), None)]);
    assert_eq!(rollout.next(Duration::ZERO), Step::Start(0));
    assert!(!rollout.has_begun_everywhere());
    let gone = Unreachable::new(Phase::Connect, "gone");
    let gone = CallError::<()>::new("web1".into(), CallErrorKind::Unreachable(gone));
    rollout.worked(0, Verdict::of_call(&gone), Duration::ZERO);
    assert_eq!(rollout.next(Duration::from_secs(3600)), Step::Start(0));
}

fn is_stop(event: &EventKind) -> bool {
    matches!(event, EventKind::Stopped { .. })
}

/// Follows the events of a run, and checks what must hold at each.
pub(crate) fn check_events(case: &Case, events: &[EventKind]) {
    let Some(EventKind::Begun { hosts, batches, .. }) = events.first() else {
        panic!("a run begins")
    };
    assert_eq!(batches.iter().sum::<usize>(), case.hosts.len());
    let allowed = case.rules().schedule(case.hosts.len()).allowed();
    let (mut ended, mut may_begin) = (Vec::new(), 0);
    let (mut failed, mut unreachable, mut stop) = (0, 0, None);
    for event in &events[1..] {
        match event {
            EventKind::BatchBegun { batch, hosts } => {
                // All hosts of the batches before have ended.
                let before = may_begin;
                may_begin += hosts;
                assert_eq!(batches[batch - 1], *hosts);
                assert!(stop.is_none() && ended.len() >= before);
            }
            EventKind::Started { host, .. } => {
                assert!(stop.is_none(), "no host starts after the stop");
                assert!(
                    hosts[..may_begin].contains(host),
                    "each starts in its batch"
                );
            }
            EventKind::Connecting { .. } | EventKind::Retrying { .. } => assert!(stop.is_none()),
            EventKind::Ended { host, ending, .. } => {
                assert!(!ended.contains(host), "a host ends once");
                ended.push(host.clone());
                failed += usize::from(ending.is_failure());
                unreachable += usize::from(*ending == Ending::Unreachable);
                let counted = failed - unreachable.min(case.unreachable_ok);
                if stop.is_none() && allowed.is_some_and(|allowed| counted > allowed) {
                    stop = Some(true);
                }
            }
            EventKind::Stopped { reason } => {
                let by_failures = matches!(reason, StopReason::Failures { .. });
                assert_eq!(
                    by_failures,
                    stop.is_some(),
                    "it stops at the failure too many"
                );
                stop = Some(by_failures);
            }
            _ => {}
        }
    }
    assert_eq!(ended.len(), case.hosts.len());
    let Some(EventKind::Over {
        ok,
        failed,
        cancelled,
        skipped,
    }) = events.last()
    else {
        panic!("a run ends")
    };
    assert_eq!(ok + failed + cancelled + skipped, case.hosts.len());
    assert_eq!(stop.is_some(), events.iter().any(is_stop));
}
