//! Runs work on all hosts of a command, and passes results on as they arrive.

use std::{collections::HashMap, convert::Infallible};

use tokio::sync::mpsc;
use wxec::{
    CallError, Host,
    fleet::{Event, FleetRun, Outcome, Stopped, Verdict},
};

use crate::{
    base::exit_code,
    hosts::rollout::Rollout,
    terminal::{
        interrupt::{self, Interrupted},
        stdout,
    },
};

/// News of work on many hosts.
pub(crate) enum News<T, I> {
    /// The work on a host sent an item.
    Item(I),
    /// The work on the host at this position has ended.
    Ended(usize, Result<T, CallError>),
}

/// Runs one of `jobs` on each host, and passes the results to `each` as they arrive, which returns
/// the exit code of that host. Each host is closed after its work. An interrupt cancels what is
/// under way. Returns the exit code.
pub(crate) fn on_each<J, T, F>(
    rollout: Rollout,
    jobs: Vec<J>,
    run: impl Fn(J) -> F + Send + 'static,
    judge: fn(&T) -> Verdict,
    mut each: impl FnMut(&Host, Result<T, CallError>) -> u8,
) -> Result<u8, Interrupted>
where
    J: Clone + Send + 'static,
    T: Send + 'static,
    F: IntoFuture<Output = Result<T, CallError>>,
    F::IntoFuture: Send + 'static,
{
    // Two hosts may have the same name, or the same address.
    let key = |host: &Host| (host.name().to_owned(), host.address().clone());
    let keys = rollout.hosts().iter().map(key);
    let jobs: HashMap<_, _> = keys.zip(jobs).collect();
    let work = move |host: &Host| run(jobs[&key(host)].clone()).into_future();
    let (hosts, items) = (rollout.hosts().to_vec(), mpsc::channel(1).1);
    follow::<_, Infallible, _>(rollout, work, judge, items, |news| match news {
        News::Item(item) => match item {},
        News::Ended(index, result) => Some(each(&hosts[index], result)),
    })
}

/// Runs what `work` returns for each host, and passes the news to `each`, which returns the exit
/// code of a host that has ended. Items of a host come before its end.
pub(crate) fn follow<T, I, F>(
    mut rollout: Rollout,
    work: impl FnMut(&Host) -> F + Send + 'static,
    judge: fn(&T) -> Verdict,
    mut items: mpsc::Receiver<I>,
    mut each: impl FnMut(News<T, I>) -> Option<u8>,
) -> Result<u8, Interrupted>
where
    T: Send + 'static,
    F: Future<Output = Result<T, CallError>> + Send + 'static,
{
    rollout.announce();
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
        rollout.tell(&event);
    }
    if let (Err(Interrupted), Some(stopped)) = (ended, &stopped) {
        rollout.tell_interrupted(stopped);
    }
    if ended.is_err() {
        // Before hosts are closed: this program ends soon after an interrupt, whatever they do.
        rollout.end_recording(exit_code::INTERRUPTED);
    }
    rollout.fleet.close().wait();
    ended.map(|()| rollout.finish(stopped.as_ref()))
}

/// Passes on news until the run is over, or its output.
fn listen<T: Send + 'static, I>(
    rollout: &mut Rollout,
    run: &mut FleetRun<T>,
    items: &mut mpsc::Receiver<I>,
    each: &mut impl FnMut(News<T, I>) -> Option<u8>,
) -> Result<(), Interrupted> {
    loop {
        match interrupt::block_on(next(run, items, &mut rollout.events))? {
            Next::Item(item) => _ = each(News::Item(item)),
            Next::Event(event) => rollout.tell(&event),
            Next::Ended(outcome) => end(rollout, outcome, each),
            Next::Over => return Ok(()),
        }
        // Interrupts calls that send nothing for now, too.
        if stdout::is_over() {
            return Ok(());
        }
    }
}

fn end<T, I>(
    rollout: &mut Rollout,
    outcome: Outcome<T>,
    each: &mut impl FnMut(News<T, I>) -> Option<u8>,
) {
    let error = outcome.result.as_ref().err().cloned();
    let code = each(News::Ended(outcome.index, outcome.result));
    rollout.add(error.as_ref(), code);
}

/// Cancels what is under way. Passes on what was done before, but no failures: they may be
/// consequences of the interrupt.
fn give_up<T: Send + 'static, I>(
    rollout: &mut Rollout,
    run: FleetRun<T>,
    each: &mut impl FnMut(News<T, I>) -> Option<u8>,
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
enum Next<T, I> {
    Item(I),
    Ended(Outcome<T>),
    Event(Event),
    Over,
}

async fn next<T: Send + 'static, I>(
    run: &mut FleetRun<T>,
    items: &mut mpsc::Receiver<I>,
    events: &mut mpsc::UnboundedReceiver<Event>,
) -> Next<T, I> {
    tokio::select! {
        // Items were sent before the end of their host, and that before the events that follow.
        biased;
        Some(item) = items.recv() => Next::Item(item),
        outcome = run.next_outcome() => outcome.map_or(Next::Over, Next::Ended),
        Some(event) = events.recv() => Next::Event(event),
    }
}
