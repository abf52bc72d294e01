//! Runs one job on many hosts: reports or prints results as they arrive, and closes each host.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use wxec::{
    Call, CallError, CallErrorKind, ChannelEnd, Grants, Host, Limits, Module, Receiver, Value,
    Wants, channel,
};

use crate::{
    base::{exit_code, verbosity::Verbosity},
    hosts::streaming::{self, Streaming},
    output::{
        command_error::CommandError,
        costs::{Costs, HostCosts},
        results::{Results, Style},
    },
    terminal::{
        interrupt::{self, Interrupted},
        stderr::say,
        stdout,
    },
};

/// Hosts served in parallel: each may need a process and a few file descriptors here.
const MAX_PARALLEL: usize = 128;

/// Items that may wait to be printed. Beyond that, senders wait.
const MAX_ITEMS: usize = 64;

/// A call to make: the function, its input and its terms.
pub(crate) struct Job {
    pub(crate) module: Module,
    pub(crate) function: String,
    pub(crate) input: Value,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    pub(crate) seed: Option<u64>,
    /// The function's channels, if it sends or receives while it runs.
    pub(crate) streaming: Option<Streaming>,
}

/// A report from one host.
enum Told<'a> {
    /// The function on this host sent an item.
    Item(&'a str, Value),
    /// The call on a host has ended.
    Answer(Answer<'a>),
}

/// The outcome of the call on one host.
struct Answer<'a> {
    host: &'a str,
    /// `Ok(Ok(None))` is a success without a value to print.
    result: Result<Result<Option<Value>, CallError>, Interrupted>,
    costs: HostCosts,
}

/// Runs `job` on all `hosts`, prints the results and, with `stats`, the costs. Returns the exit
/// code.
pub(crate) fn print_everywhere(
    hosts: &[Host],
    job: &Job,
    style: Style,
    stats: bool,
    verbosity: Verbosity,
) -> Result<u8, CommandError> {
    let declared = job
        .module
        .function(&job.function)
        .map(|function| &function.wants);
    let several = hosts.len() > 1;
    let mut results = Results::new(style, several);
    let mut costs = Costs::default();
    let mut codes = Vec::new();
    call_everywhere(hosts, job, |told| {
        let Answer {
            host,
            result,
            costs: spent,
        } = match told {
            Told::Answer(answer) => answer,
            Told::Item(host, item) => {
                results.item(host, item);
                return !stdout::is_over();
            }
        };
        costs.add(host, spent);
        match result {
            Ok(Ok(Some(value))) => results.value(host, value),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                let is_declared =
                    declared.is_some_and(|declared| is_declared(&error.kind, declared));
                let mut error = CommandError::of_call(&error, verbosity);
                if is_declared {
                    error = error.hint(
                        "add that, or --allow-declared to grant all that the function declares",
                    );
                }
                codes.push(error.code);
                error.print(&if several {
                    format!("[{host}] error: ")
                } else {
                    format!("error: {host}: ")
                });
                results.failure(host, &error);
            }
            Err(Interrupted) => {}
        }
        !stdout::is_over()
    });
    results.finish();
    if stats {
        say(&costs.to_json(&job.module));
    }
    if !streaming::fed_well() {
        codes.push(exit_code::USAGE);
    }
    if interrupt::happened() {
        Err(Interrupted.into())
    } else {
        Ok(exit_code::of_all(&codes))
    }
}

/// Returns true if the call lacked only what its function declares to need.
fn is_declared(kind: &CallErrorKind, declared: &Wants) -> bool {
    let CallErrorKind::Denied { needs, .. } = kind else {
        return false;
    };
    needs
        .iter()
        .all(|need| declared.needs().any(|declared| declared == *need))
}

/// Runs `job` on all `hosts` and passes each report to `each`, until `each` returns false. All
/// hosts are closed on return.
fn call_everywhere<'a>(hosts: &'a [Host], job: &Job, each: impl FnMut(Told<'a>) -> bool) {
    work_through(
        hosts,
        |host, told| _ = told.send(Told::Answer(call(host, job, told))),
        each,
    );
}

/// Runs `work` on all `hosts`, many at once, and passes each result to `each` as it arrives. All
/// hosts are closed on return.
pub(crate) fn on_each<'a, T: Send>(
    hosts: &'a [Host],
    work: impl Fn(&'a Host) -> T + Sync,
    mut each: impl FnMut(&'a Host, T),
) {
    let all = |(host, result)| {
        each(host, result);
        true
    };
    work_through(
        hosts,
        |host, results| _ = results.send((host, work(host))),
        all,
    );
}

/// Runs `work` on all `hosts`, many at once, and passes everything it sends to `each`, until `each`
/// returns false.
fn work_through<'a, T: Send>(
    hosts: &'a [Host],
    work: impl Fn(&'a Host, &mpsc::SyncSender<T>) + Sync,
    each: impl FnMut(T) -> bool,
) {
    let next = AtomicUsize::new(0);
    let (results, arrived) = mpsc::sync_channel(MAX_ITEMS);
    thread::scope(|scope| {
        let work = |results: mpsc::SyncSender<_>| {
            while let Some(host) = hosts.get(next.fetch_add(1, Ordering::Relaxed)) {
                if interrupt::given_up() {
                    break;
                }
                work(host, &results);
                host.close().wait();
            }
        };
        for _ in 0..hosts.len().min(MAX_PARALLEL) {
            let results = results.clone();
            scope.spawn(move || work(results));
        }
        drop(results);
        if !arrived.into_iter().all(each) {
            // Nothing reads the results any more: also interrupt calls that send nothing for now.
            interrupt::give_up();
        }
    });
}

fn call<'a>(host: &'a Host, job: &Job, told: &mpsc::SyncSender<Told<'a>>) -> Answer<'a> {
    let start = Instant::now();
    let tell = |item| told.send(Told::Item(host.name(), item)).is_ok();
    let result = match &job.streaming {
        _ if interrupt::happened() => Err(Interrupted),
        Some(streaming) => interrupt::block_on(stream(host, job, streaming, tell)),
        None => {
            let call = host.bind(&job.module).call(&job.function, &job.input);
            interrupt::block_on(async { on_terms(job, call).await.map(Some) })
        }
    };
    let connection = host.stats();
    let costs = HostCosts {
        connection,
        call: start.elapsed().saturating_sub(connection.connect),
    };
    Answer {
        host: host.name(),
        result,
        costs,
    }
}

fn on_terms<T: Send + 'static>(job: &Job, call: Call<T>) -> Call<T> {
    let call = call.limits(job.limits.clone()).grant(job.grants.clone());
    match job.seed {
        Some(seed) => call.deterministic(seed),
        None => call,
    }
}

/// Calls a function that sends or receives. Passes its items to `tell`, until `tell` returns false.
async fn stream(
    host: &Host,
    job: &Job,
    streaming: &Streaming,
    tell: impl Fn(Value) -> bool,
) -> Result<Option<Value>, CallError> {
    let (sender, received) = channel();
    let arguments = streaming.arguments(&job.input, &sender);
    let bound = host.bind(&job.module);
    if streaming.returns_stream {
        let call = bound.stream::<Receiver<Value>>(&job.function, &arguments);
        let received = on_terms(job, call).await?;
        return match forward(&received, tell)
            .await
            .then(|| received.end())
            .flatten()
        {
            Some(ChannelEnd::Failed(error)) => Err(*error),
            _ => Ok(None),
        };
    }
    let call = bound.call::<Value>(&job.function, &arguments);
    // The channel ends when the call drops its ends, so drop ours now.
    drop((sender, arguments));
    let call = on_terms(job, call).start();
    match forward(&received, tell).await {
        true => call.await.map(|value| streaming.has_value.then_some(value)),
        false => Ok(None),
    }
}

/// Passes all items to `tell`. Returns false if `tell` did.
async fn forward(received: &Receiver<Value>, tell: impl Fn(Value) -> bool) -> bool {
    while let Ok(item) = received.recv_async().await {
        if !tell(item) {
            return false;
        }
    }
    true
}
