//! The task behind a run: does what the state machine says, and tells it what happened.

use std::{
    collections::HashMap,
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    mem,
    pin::Pin,
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use tokio::{
    sync::{
        Notify,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        watch,
    },
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{Instant, sleep_until},
};
use wxec_controller::{CallErrorKind, Host, LinkState, Phase, Unreachable};

use crate::{
    judge::Judge,
    outcomes::Outcome,
    rollout::{Conditions, Event, Fate, Rollout, Rules, Step, Stopped, Verdict},
};

/// Work on one host, under way.
pub(crate) type Boxed<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Begins the work on a host.
pub(crate) type Begin<T, E> = dyn FnMut(&Host) -> Boxed<T, E> + Send;

/// Work on many hosts, and how it is done.
pub(crate) struct Job<T, E> {
    pub(crate) hosts: Vec<Host>,
    pub(crate) parallel: usize,
    pub(crate) rules: Rules,
    /// Dropped when no work is to begin any more, with all that it holds: ends of channels, which
    /// are over when the ends of all hosts are.
    pub(crate) work: Option<Box<Begin<T, E>>>,
    /// True if the work may begin twice on a host.
    pub(crate) idempotent: bool,
    pub(crate) judge: Arc<Judge<T, E>>,
}

/// A thing that has ended.
enum Done<T, E> {
    Connected(usize, Result<(), Unreachable>),
    /// With the result, unless that was sent already.
    Worked(usize, Verdict, Option<Result<T, E>>),
    Answered(Result<(), String>),
}

pub(crate) struct Driver<T, E> {
    job: Job<T, E>,
    rollout: Rollout,
    begun: Instant,
    running: JoinSet<Done<T, E>>,
    /// The hosts of the tasks in `running`, and the reverse.
    hosts: HashMap<Id, usize>,
    tasks: Vec<Option<AbortHandle>>,
    /// Results of attempts that were to be followed by others, in case that the run stops before.
    last: Vec<Option<Result<T, E>>>,
    outcomes: UnboundedSender<Outcome<T, E>>,
    /// Changes of links, told by the work on their hosts. Unbounded, but each takes a while to come
    /// about.
    links: (UnboundedSender<LinkChange>, UnboundedReceiver<LinkChange>),
    cancel: Arc<Notify>,
    /// Held by all that is at work.
    at_work: Sender<Infallible>,
}

/// A host, and the new state of its link.
type LinkChange = (usize, LinkState);

impl<T: Send + 'static, E: Send + 'static> Driver<T, E> {
    pub(crate) fn new(
        job: Job<T, E>,
        outcomes: UnboundedSender<Outcome<T, E>>,
        cancel: Arc<Notify>,
        at_work: Sender<Infallible>,
    ) -> Self {
        let members = members(&job.hosts);
        let connects = job
            .rules
            .connects(members.iter().filter_map(|(_, hop)| *hop));
        let conditions = Conditions {
            parallel: job.parallel,
            connects: connects && job.judge.can_say_unreachable(),
            idempotent: job.idempotent,
            // A hash of nothing is random, because its keys are.
            seed: RandomState::new().hash_one(()),
        };
        let rollout = Rollout::new(job.rules.clone(), conditions, members);
        Self {
            rollout,
            begun: Instant::now(),
            running: JoinSet::new(),
            hosts: HashMap::new(),
            tasks: job.hosts.iter().map(|_| None).collect(),
            last: job.hosts.iter().map(|_| None).collect(),
            job,
            outcomes,
            links: unbounded_channel(),
            cancel,
            at_work,
        }
    }

    pub(crate) async fn run(mut self) -> Option<Stopped> {
        loop {
            let step = self.rollout.next(self.begun.elapsed());
            self.tell();
            let waits = matches!(step, Step::Wait(_));
            if waits && self.job.work.is_some() && self.rollout.has_begun_everywhere() {
                self.job.work = None;
            }
            match step {
                Step::Connect(host) => self.connect(host),
                Step::Start(host) => self.start(host),
                Step::Gate(hosts) => self.ask(&hosts),
                Step::Cancel(hosts) => self.abort(&hosts),
                Step::Wait(until) => self.wait(until).await,
                Step::Over => break,
            }
        }
        self.send_last();
        self.rollout.stopped()
    }

    /// Tells the listener what has happened.
    fn tell(&mut self) {
        let at_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let events = self.rollout.events();
        if let Some(listener) = &self.job.rules.listener {
            events
                .into_iter()
                .for_each(|kind| listener(&Event { at_ms, kind }));
        }
    }

    fn connect(&mut self, host: usize) {
        let target = self.job.hosts[host].clone();
        if target.is_connected() {
            self.connected(host, Ok(()));
            return;
        }
        self.spawn(Some(host), async move {
            Done::Connected(host, connect(&target).await)
        });
    }

    fn start(&mut self, host: usize) {
        let listens = self.job.rules.listener.is_some();
        let states = listens.then(|| self.job.hosts[host].link_states());
        let begin = self.job.work.as_mut();
        let work = begin.expect("it is kept while work may begin")(&self.job.hosts[host]);
        let links = self.links.0.clone();
        let (name, judge) = (self.name(host), self.job.judge.clone());
        // A result that is the host's last for sure takes the shortest way.
        let sender = (self.job.rules.most_retries() == 0).then(|| self.outcomes.clone());
        self.spawn(Some(host), async move {
            let result = match states {
                Some(states) => watched(work, states, |state| _ = links.send((host, state))).await,
                None => work.await,
            };
            let verdict = judge.verdict(&result);
            let Some(sender) = sender else {
                return Done::Worked(host, verdict, Some(result));
            };
            send(&sender, name, host, result);
            Done::Worked(host, verdict, None)
        });
    }

    fn ask(&mut self, hosts: &[usize]) {
        let hosts: Vec<_> = hosts
            .iter()
            .map(|host| self.job.hosts[*host].clone())
            .collect();
        if let Some(gate) = &self.job.rules.gate {
            let answer = gate(&hosts);
            self.spawn(None, async move { Done::Answered(answer.await) });
        }
    }

    fn spawn(
        &mut self,
        host: Option<usize>,
        task: impl Future<Output = Done<T, E>> + Send + 'static,
    ) {
        let at_work = self.at_work.clone();
        let task = self.running.spawn(async move {
            // Dropped last, after the work.
            let _at_work = at_work;
            task.await
        });
        if let Some(host) = host {
            self.hosts.insert(task.id(), host);
            self.tasks[host] = Some(task);
        }
    }

    fn abort(&self, hosts: &[usize]) {
        let tasks = hosts.iter().filter_map(|host| self.tasks[*host].as_ref());
        tasks.for_each(AbortHandle::abort);
    }

    /// Waits until something ends, the run is cancelled, or it is this late.
    async fn wait(&mut self, until: Option<Duration>) {
        let late = async {
            match until {
                Some(until) => sleep_until(self.begun + until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(ended) = self.running.join_next_with_id() => {
                self.ended(ended);
                // Work that has ended meanwhile needs no further turn of the loop.
                while let Some(ended) = self.running.try_join_next_with_id() {
                    self.ended(ended);
                }
            }
            Some(link) = self.links.1.recv() => {
                self.rollout.linked(link);
                self.take_links();
            }
            () = self.cancel.notified() => self.rollout.interrupt(),
            () = late => {}
        }
    }

    /// Takes the news of links.
    fn take_links(&mut self) {
        while let Ok(link) = self.links.1.try_recv() {
            self.rollout.linked(link);
        }
    }

    fn ended(&mut self, ended: Result<(Id, Done<T, E>), JoinError>) {
        // Work tells of its host's link before it ends.
        self.take_links();
        match ended {
            Ok((task, done)) => {
                self.hosts.remove(&task);
                self.done(done);
            }
            Err(error) => {
                let host = self.hosts.remove(&error.id());
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
                if let Some(host) = host {
                    self.rollout.cancelled(host);
                }
            }
        }
    }

    fn done(&mut self, done: Done<T, E>) {
        match done {
            Done::Connected(host, result) => self.connected(host, result),
            Done::Worked(host, verdict, result) => {
                let fate = self.rollout.worked(host, verdict, self.begun.elapsed());
                if let Some(result) = result {
                    self.keep_or_send(host, result, fate);
                }
            }
            Done::Answered(answer) => self.rollout.answered(answer),
        }
    }

    fn connected(&mut self, host: usize, result: Result<(), Unreachable>) {
        let (name, now) = (self.name(host), self.begun.elapsed());
        let result = result.map_err(|failure| self.job.judge.unreachable(name, failure));
        match result {
            Err(Some(error)) => {
                let result = Err(error);
                let verdict = self.job.judge.verdict(&result);
                let fate = self.rollout.connected(host, Err(verdict), now);
                self.keep_or_send(host, result, fate);
            }
            _ => _ = self.rollout.connected(host, Ok(()), now),
        }
    }

    fn keep_or_send(&mut self, host: usize, result: Result<T, E>, fate: Fate) {
        match fate {
            Fate::Final => {
                self.last[host] = None;
                send(&self.outcomes, self.name(host), host, result);
            }
            Fate::Again => self.last[host] = Some(result),
        }
    }

    fn name(&self, host: usize) -> Arc<str> {
        self.job.hosts[host].name().into()
    }

    /// Sends the results of attempts that were not followed by others.
    fn send_last(&mut self) {
        for (host, last) in mem::take(&mut self.last).into_iter().enumerate() {
            let failed = self
                .rollout
                .ending(host)
                .is_some_and(|ending| ending.is_failure());
            if let Some(result) = last.filter(|_| failed) {
                send(&self.outcomes, self.name(host), host, result);
            }
        }
    }
}

fn send<T, E>(
    outcomes: &UnboundedSender<Outcome<T, E>>,
    host: Arc<str>,
    index: usize,
    result: Result<T, E>,
) {
    let outcome = Outcome {
        host,
        index,
        result,
    };
    // Without a receiver, this task is being cancelled.
    let _ = outcomes.send(outcome);
}

/// Does `work`, and tells when it begins to connect to its host, and when it has.
async fn watched<R>(
    mut work: impl Future<Output = R> + Unpin,
    mut states: watch::Receiver<LinkState>,
    tell: impl Fn(LinkState),
) -> R {
    let mut last = *states.borrow_and_update();
    if last == LinkState::Connecting {
        tell(last);
    }
    let mut changed = |state: LinkState| {
        // Every other state comes after this one, which may have come and gone unseen.
        if last != LinkState::Connecting {
            tell(LinkState::Connecting);
        }
        if state == LinkState::Connected {
            tell(state);
        }
        last = state;
    };
    loop {
        tokio::select! {
            biased;
            Ok(()) = states.changed() => changed(*states.borrow_and_update()),
            result = &mut work => {
                if states.has_changed().unwrap_or(false) {
                    changed(*states.borrow_and_update());
                }
                return result;
            }
        }
    }
}

async fn connect(host: &Host) -> Result<(), Unreachable> {
    host.connect().await.map_err(|error| match error.kind {
        CallErrorKind::Unreachable(failure) => failure,
        other => Unreachable::new(Phase::Connect, other.to_string()),
    })
}

/// Returns the name of each host, and the number of the hop before it.
fn members(hosts: &[Host]) -> Vec<(Arc<str>, Option<usize>)> {
    let mut hops = HashMap::new();
    let member = |host: &Host| {
        let parents = host
            .address()
            .hops()
            .split_last()
            .map(|(_, parents)| parents);
        let hop = parents
            .filter(|parents| !parents.is_empty())
            .map(|parents| {
                let number = hops.len();
                *hops.entry(parents.to_vec()).or_insert(number)
            });
        (host.name().into(), hop)
    };
    hosts.iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;
    use crate::{
        fleet::Fleet,
        outcomes::Outcomes,
        rollout::{Amount, Ending, EventKind, StopReason},
        run::FleetRun,
        work::FleetWork,
    };

    fn fleet(batches: &str) -> Fleet {
        let fleet = Fleet::new(["web1", "web2", "web3", "web4"]).unwrap();
        fleet.batches(batches.parse().unwrap())
    }

    fn fails_on(name: &'static str) -> impl FnMut(&Host) -> std::future::Ready<Result<(), String>> {
        move |host| {
            std::future::ready(if host.name() == name {
                Err("no".into())
            } else {
                Ok(())
            })
        }
    }

    fn texts(names: &[Arc<str>]) -> Vec<&str> {
        names.iter().map(|name| &**name).collect()
    }

    /// Runs a fleet's work with a clock that jumps to the next thing to wait for.
    fn with_own_clock<T: Send + 'static>(
        fleet: &Fleet,
        work: impl Fn() -> Result<T, String> + Send + 'static,
    ) -> (Vec<Outcome<T, String>>, Option<Stopped>) {
        let FleetWork(job) = fleet.work(move |_| std::future::ready(work())).idempotent();
        let (sender, mut outcomes) = unbounded_channel();
        let (at_work, _working) = std::sync::mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let stopped = runtime.block_on(async {
            Driver::new(job, sender, Arc::default(), at_work)
                .run()
                .await
        });
        let outcomes = std::iter::from_fn(|| outcomes.try_recv().ok()).collect();
        (outcomes, stopped)
    }

    #[test]
    fn a_run_stops_at_the_failure_too_many_and_names_the_rest() {
        let outcomes: Outcomes<(), String> = fleet("1").each(fails_on("web2")).wait();
        let stopped = outcomes.stopped().unwrap();
        assert_eq!(
            stopped.reason,
            StopReason::Failures {
                failed: 1,
                allowed: 0
            }
        );
        assert_eq!(texts(&stopped.not_started), ["web3", "web4"]);
        assert_eq!(
            outcomes.into_result().unwrap_err().to_string(),
            "1 of 4 hosts failed\n  no\n  stopped: 1 host failed, and none may; not started: web[3-4]"
        );
        let allowed = fleet("1").rules(Rules::new().max_fail(Amount::Hosts(1)));
        assert!(allowed.each(fails_on("web2")).wait().stopped().is_none());
    }

    #[test]
    fn hosts_that_cannot_be_reached_are_known_before_any_work() {
        let fleet = Fleet::new([r#"exec:["false"]"#, r#"exec:["false", "too"]"#]).unwrap();
        let fleet = fleet.batches("1".parse().unwrap());
        let outcomes: Outcomes<()> = fleet.each(|_| async { panic!("it began") }).wait();
        let (_, error) = outcomes.failures().next().unwrap();
        assert_eq!(Verdict::of_call(error).ending, Ending::Unreachable);
        assert!(matches!(
            outcomes.stopped().unwrap().reason,
            StopReason::Failures { allowed: 0, .. }
        ));
    }

    #[test]
    fn the_gate_sees_the_hosts_that_were_done_and_may_end_the_run() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let rules = Rules::new()
            .batches("2,1".parse().unwrap())
            .max_fail(Amount::Hosts(1));
        let rules = rules.gate(move |hosts| {
            let names: Vec<_> = hosts.iter().map(|host| host.name().to_owned()).collect();
            seen.lock().unwrap().push(names);
            let first = seen.lock().unwrap().len() == 1;
            async move {
                if first {
                    Ok(())
                } else {
                    Err("too slow".into())
                }
            }
        });
        let outcomes = fleet("1").rules(rules).each(fails_on("web2")).wait();
        assert_eq!(*asked.lock().unwrap(), [["web1"], ["web3"]]);
        let stopped = outcomes.stopped().unwrap();
        assert_eq!(
            stopped.to_string(),
            "stopped: the gate refused to go on after batch 2: too slow; not started: web4"
        );
    }

    #[test]
    fn idempotent_work_is_tried_again_after_a_pause() {
        let tries = Arc::new(AtomicU32::new(0));
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let rules = Rules::new()
            .retries(2)
            .on_event(move |event| seen.lock().unwrap().push(event.clone()));
        let counted = tries.clone();
        let one = Fleet::new(["web1"]).unwrap().rules(rules);
        let (outcomes, stopped) = with_own_clock(&one, move || {
            match counted.fetch_add(1, Ordering::Relaxed) {
                0 => Err("not yet".into()),
                tries => Ok(tries),
            }
        });
        assert_eq!((&outcomes[0].result, stopped), (&Ok(1), None));
        let events = events.lock().unwrap();
        let pause = events.iter().find_map(|event| match event.kind {
            EventKind::Retrying { in_ms, attempt, .. } => Some((attempt, in_ms)),
            _ => None,
        });
        let (attempt, pause) = pause.unwrap();
        assert!(attempt == 1 && (500..1500).contains(&pause), "{pause}");
        let over = events.last().unwrap();
        assert!(over.at_ms >= pause && matches!(over.kind, EventKind::Over { ok: 1, .. }));
        let json = serde_json::to_string(over).unwrap();
        assert!(json.contains(r#""event":"over","ok":1"#), "{json}");
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), *over);
    }

    #[test]
    fn a_host_that_fails_to_the_last_has_one_outcome() {
        let one = Fleet::new(["web1"]).unwrap().rules(Rules::new().retries(2));
        let (outcomes, stopped) = with_own_clock(&one, || Err::<(), _>("not yet".into()));
        assert!(outcomes.len() == 1 && stopped.is_none(), "{outcomes:?}");
    }

    #[test]
    fn a_run_that_stops_gives_the_failure_that_was_to_be_tried_again() {
        let rules = Rules::new().retries(9).deadline(Duration::from_millis(400));
        let one = Fleet::new(["web1"]).unwrap().rules(rules);
        let (outcomes, stopped) = with_own_clock(&one, || Err::<(), _>("not yet".into()));
        assert_eq!(outcomes[0].result, Err("not yet".into()));
        assert_eq!(
            stopped.unwrap().to_string(),
            "stopped: the deadline of 400ms has passed"
        );
    }

    #[test]
    fn a_crowd_behind_one_hop_is_connected_by_the_run() {
        let connects = |count: usize| {
            let host = |n| Host::new(format!("bastion/ssh:h{n}")).unwrap();
            let hosts: Vec<_> = (0..count).map(host).collect();
            let members = members(&hosts);
            Rules::new().connects(members.iter().filter_map(|(_, hop)| *hop))
        };
        assert!(!connects(10) && connects(11));
    }

    #[test]
    fn work_that_has_begun_everywhere_keeps_nothing() {
        let held = Arc::new(());
        let (holder, (begun, begins)) = (held.clone(), std::sync::mpsc::channel());
        let run: FleetRun<(), String> = fleet("rest").each(move |_| {
            let _holder = &holder;
            let begun = begun.clone();
            async move {
                begun.send(()).unwrap();
                std::future::pending().await
            }
        });
        (0..4).for_each(|_| begins.recv().unwrap());
        while Arc::strong_count(&held) > 1 {
            std::thread::yield_now();
        }
        drop(run);
    }

    #[test]
    fn a_run_that_is_cancelled_gives_what_was_done() {
        let (begun, begins) = std::sync::mpsc::channel();
        let mut run: FleetRun<(), String> = fleet("2").each(move |host| {
            let (first, begun) = (host.name() == "web1", begun.clone());
            async move {
                if first {
                    return Ok(());
                }
                begun.send(()).unwrap();
                std::future::pending().await
            }
        });
        begins.recv().unwrap();
        let done = pollster::block_on(run.next_outcome()).unwrap();
        run.cancel();
        assert!(pollster::block_on(run.next_outcome()).is_none());
        let stopped = run.stopped().unwrap();
        assert_eq!(
            (&*done.host, &stopped.reason),
            ("web1", &StopReason::Interrupted)
        );
        assert_eq!(texts(&stopped.cancelled), ["web2"]);
        assert_eq!(texts(&stopped.not_started), ["web3", "web4"]);
    }

    #[test]
    fn a_host_connects_in_the_course_of_its_work() {
        let kinds = Arc::new(Mutex::new(Vec::new()));
        let seen = kinds.clone();
        let rules =
            Rules::new().on_event(move |event| seen.lock().unwrap().push(event.kind.clone()));
        let fleet = Fleet::new([r#"exec:["false"]"#]).unwrap().rules(rules);
        let outcomes: Outcomes<()> = fleet.each(|host| host.connect()).wait();
        assert_eq!(outcomes.failures().count(), 1);
        let kinds = kinds.lock().unwrap();
        let [
            _,
            _,
            EventKind::Started { .. },
            connecting,
            EventKind::Ended { .. },
            ..,
        ] = &**kinds
        else {
            panic!("{kinds:?}")
        };
        assert!(matches!(
            connecting,
            EventKind::Connecting { attempt: 1, .. }
        ));
    }

    #[test]
    fn a_change_of_a_link_is_told_before_the_work_ends() {
        use LinkState::{Connected, Connecting, Idle};
        for changes in [
            &[Connecting, Connected][..],
            &[Connected],
            &[Connecting, Idle],
        ] {
            let (link, states) = watch::channel(Idle);
            let told = Mutex::new(Vec::new());
            let work = async {
                changes
                    .iter()
                    .for_each(|state| _ = link.send_replace(*state))
            };
            let tell = |state| told.lock().unwrap().push(state);
            pollster::block_on(watched(Box::pin(work), states, tell));
            let connected = changes.last() == Some(&Connected);
            let expected = &[Connecting, Connected][..if connected { 2 } else { 1 }];
            assert_eq!(*told.lock().unwrap(), expected);
        }
    }
}
