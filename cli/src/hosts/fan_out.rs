//! Runs work on all hosts of a command, and passes results on as they arrive.

use std::{
    collections::HashMap,
    pin::pin,
    task::{Context, Poll, Waker},
};

use tokio::sync::mpsc;
use wxec::{
    CallError, Host,
    call::Value,
    fleet::{Event, FleetRun, Outcome, Stopped, Verdict},
};

use crate::{
    base::exit_code,
    history::steps::StepNews,
    hosts::rollout::Rollout,
    terminal::{
        interrupt::{self, Interrupted},
        stdout,
    },
};

/// News of work on many hosts.
pub(crate) enum News<'a, T> {
    /// The work on this host sent an item.
    Item(&'a str, Value),
    /// The work on the host at this position has ended.
    Ended(usize, Result<T, CallError>),
}

/// An item, and the name of the host that sent it.
pub(crate) type Item = (String, Value);

/// The report of some news.
pub(crate) struct Reported {
    /// The exit code of a host that has ended.
    code: u8,
    /// A result that was not printed, because it belongs to an event of the run.
    value: Option<Value>,
}

impl Reported {
    pub(crate) fn new(code: u8, value: Option<Value>) -> Self {
        Self { code, value }
    }
}

impl From<u8> for Reported {
    fn from(code: u8) -> Self {
        Self::new(code, None)
    }
}

/// Runs one of `jobs` on each host, and passes the results to `each` as they arrive, which reports
/// that host. Each host is closed after its work. An interrupt cancels what is under way.
pub(crate) fn on_each<J, T, F, R>(
    rollout: Rollout,
    jobs: Vec<J>,
    run: impl Fn(J) -> F + Send + 'static,
    judge: fn(&T) -> Verdict,
    mut each: impl FnMut(&Host, Result<T, CallError>) -> R,
) -> Followed
where
    J: Clone + Send + 'static,
    T: Send + 'static,
    F: IntoFuture<Output = Result<T, CallError>>,
    F::IntoFuture: Send + 'static,
    R: Into<Reported>,
{
    // Two hosts may have the same name, or the same address.
    let key = |host: &Host| (host.name().to_owned(), host.address().clone());
    let keys = rollout.hosts().iter().map(key);
    let jobs: HashMap<_, _> = keys.zip(jobs).collect();
    let work = move |host: &Host| run(jobs[&key(host)].clone()).into_future();
    let (hosts, items) = (rollout.hosts().to_vec(), mpsc::channel(1).1);
    follow(rollout, work, judge, items, |news| match news {
        News::Item(..) => exit_code::OK.into(),
        News::Ended(index, result) => each(&hosts[index], result).into(),
    })
}

/// Runs what `work` returns for each host, and passes the news to `each`, which reports it. Items
/// of a host come before its end.
pub(crate) fn follow<T, F>(
    mut rollout: Rollout,
    work: impl FnMut(&Host) -> F + Send + 'static,
    judge: fn(&T) -> Verdict,
    mut items: mpsc::Receiver<Item>,
    mut each: impl FnMut(News<'_, T>) -> Reported,
) -> Followed
where
    T: Send + 'static,
    F: Future<Output = Result<T, CallError>> + Send + 'static,
{
    rollout.begin();
    let mut run = start(&rollout, work, judge);
    let ended = listen(&mut rollout, &mut run, &mut items, &mut each);
    let stopped = match ended {
        Err(Interrupted) if !interrupt::given_up() => give_up(&mut rollout, run, &mut each),
        _ => {
            let stopped = run.stopped().cloned();
            drop(run);
            stopped
        }
    };
    while let Ok(event) = rollout.events.try_recv() {
        rollout.note(&event);
    }
    Followed {
        rollout,
        stopped,
        ended,
    }
}

/// A run that is over, before its record is.
#[must_use = "its record has no end yet"]
pub(crate) struct Followed {
    rollout: Rollout,
    stopped: Option<Stopped>,
    ended: Result<(), Interrupted>,
}

impl Followed {
    /// Ends the record, says why the run stopped, if it did, and returns its exit code. Results that
    /// had to wait for the last host are to be printed before, because that may fail.
    pub(crate) fn end(self) -> Result<u8, Interrupted> {
        let Self {
            mut rollout,
            stopped,
            ended,
        } = self;
        if let Err(Interrupted) = ended {
            if let Some(stopped) = &stopped {
                rollout.tell_interrupted(stopped);
            }
            // Before hosts are closed: this program ends soon after an interrupt, whatever they do.
            rollout.end_recording(exit_code::INTERRUPTED);
        }
        rollout.fleet.close().wait();
        ended.map(|()| rollout.finish(stopped.as_ref()))
    }
}

/// Passes on news until the run is over, or its output.
fn listen<T: Send + 'static>(
    rollout: &mut Rollout,
    run: &mut FleetRun<T>,
    items: &mut mpsc::Receiver<Item>,
    each: &mut impl FnMut(News<'_, T>) -> Reported,
) -> Result<(), Interrupted> {
    loop {
        match interrupt::block_on(next(run, items, rollout))? {
            Next::Step(news) => rollout.tell_step(news),
            Next::Item(item) => pass_item(rollout, item, each),
            Next::Ended(outcome) => end(rollout, outcome, each),
            Next::Over => return Ok(()),
            Next::Event(event) => {
                pass_results(rollout, run, items, each);
                rollout.note(&event);
            }
        }
        // Interrupts calls that send nothing for now, too.
        if stdout::is_over() {
            return Ok(());
        }
    }
}

/// Passes on what has come so far: results come before the event of their host's end.
fn pass_results<T: Send + 'static>(
    rollout: &mut Rollout,
    run: &mut FleetRun<T>,
    items: &mut mpsc::Receiver<Item>,
    each: &mut impl FnMut(News<'_, T>) -> Reported,
) {
    while let Ok(news) = rollout.step_news.try_recv() {
        rollout.tell_step(news);
    }
    while let Ok(item) = items.try_recv() {
        pass_item(rollout, item, each);
    }
    while let Some(Some(outcome)) = now(run.next_outcome()) {
        end(rollout, outcome, each);
    }
}

/// Returns the output of a future that is ready.
fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn pass_item<T>(
    rollout: &mut Rollout,
    (host, item): Item,
    each: &mut impl FnMut(News<'_, T>) -> Reported,
) {
    if let Some(item) = each(News::Item(&host, item)).value {
        rollout.tell_item(host, &item);
    }
}

fn end<T>(
    rollout: &mut Rollout,
    outcome: Outcome<T>,
    each: &mut impl FnMut(News<'_, T>) -> Reported,
) {
    let error = outcome.result.as_ref().err().cloned();
    let Reported { code, value } = each(News::Ended(outcome.index, outcome.result));
    rollout.add(error.as_ref(), code);
    if let Some(value) = value {
        rollout.keep(&outcome.host, value);
    }
}

/// Cancels what is under way. Passes on what was done before, but no failures: they may be
/// consequences of the interrupt.
fn give_up<T: Send + 'static>(
    rollout: &mut Rollout,
    run: FleetRun<T>,
    each: &mut impl FnMut(News<'_, T>) -> Reported,
) -> Option<Stopped> {
    run.cancel();
    let rest = run.wait();
    let stopped = rest.stopped().cloned();
    let done = rest.into_iter().filter(|outcome| outcome.result.is_ok());
    done.for_each(|outcome| end(rollout, outcome, each));
    stopped
}

/// Starts the work. Each host is closed after it.
fn start<T, F>(
    rollout: &Rollout,
    mut work: impl FnMut(&Host) -> F + Send + 'static,
    judge: fn(&T) -> Verdict,
) -> FleetRun<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, CallError>> + Send + 'static,
{
    let work = rollout.fleet.work(move |host| {
        let (host, work) = (host.clone(), work(host));
        async move {
            let result = work.await;
            host.close().await;
            result
        }
    });
    let work = work.judge(move |result| result.as_ref().map_or_else(Verdict::of_call, judge));
    if rollout.idempotent {
        work.idempotent().start()
    } else {
        work.start()
    }
}

/// The next thing that happens in a run.
enum Next<T> {
    Step(StepNews),
    Item(Item),
    Ended(Outcome<T>),
    Event(Event),
    Over,
}

async fn next<T: Send + 'static>(
    run: &mut FleetRun<T>,
    items: &mut mpsc::Receiver<Item>,
    rollout: &mut Rollout,
) -> Next<T> {
    let Rollout {
        events, step_news, ..
    } = rollout;
    tokio::select! {
        // Steps are told, and items sent, before the end of their host.
        biased;
        Some(news) = step_news.recv() => Next::Step(news),
        Some(item) = items.recv() => Next::Item(item),
        outcome = run.next_outcome() => outcome.map_or(Next::Over, Next::Ended),
        Some(event) = events.recv() => Next::Event(event),
    }
}
