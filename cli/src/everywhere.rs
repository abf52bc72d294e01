//! One thing done on many hosts: what comes of it is told, or printed, as it comes, and each host closed.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use wxec::{Call, CallError, CallErrorKind, ChannelEnd, Grants, Host, Limits, Module, Receiver, Value, Wants, channel};

use crate::{
    args::Verbosity,
    command_error::CommandError,
    exit_code,
    interrupt::{self, Interrupted},
    output::{self, Results, Style, say},
    stats::{Costs, HostCosts},
    streaming::{self, Streaming},
};

/// Hosts worked on at once: each may need a process and a few files here.
const MAX_PARALLEL: usize = 128;

/// Items that wait to be printed. Beyond them, whoever sends waits.
const MAX_ITEMS: usize = 64;

/// What to call, and with what.
pub(crate) struct Job {
    pub(crate) module: Module,
    pub(crate) function: String,
    pub(crate) input: Value,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    pub(crate) seed: Option<u64>,
    /// If it sends or receives meanwhile.
    pub(crate) streaming: Option<Streaming>,
}

/// What comes of it.
enum Told<'a> {
    /// Something was sent on a host.
    Item(&'a str, Value),
    /// The call has ended there.
    Answer(Answer<'a>),
}

/// How it went on one host.
struct Answer<'a> {
    host: &'a str,
    /// There may be no value to print.
    result: Result<Result<Option<Value>, CallError>, Interrupted>,
    costs: HostCosts,
}

/// Does `job` on all `hosts`, prints what comes of it, and if `stats` is set what it has cost. Returns the exit code.
pub(crate) fn print_everywhere(
    hosts: &[Host],
    job: &Job,
    style: Style,
    stats: bool,
    verbosity: Verbosity,
) -> Result<u8, CommandError> {
    let declared = job.module.function(&job.function).map(|function| &function.wants);
    let several = hosts.len() > 1;
    let mut results = Results::new(style, several);
    let mut costs = Costs::default();
    let mut codes = Vec::new();
    call_everywhere(hosts, job, |told| {
        let Answer { host, result, costs: spent } = match told {
            Told::Answer(answer) => answer,
            Told::Item(host, item) => {
                results.item(host, item);
                return !output::is_over();
            }
        };
        costs.add(host, spent);
        match result {
            Ok(Ok(Some(value))) => results.value(host, value),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                let is_declared = declared.is_some_and(|declared| is_declared(&error.kind, declared));
                let mut error = CommandError::of_call(&error, verbosity);
                if is_declared {
                    error = error.hint("add that, or --allow-declared to grant all that the function declares");
                }
                codes.push(error.code);
                error.print(&if several { format!("[{host}] error: ") } else { format!("error: {host}: ") });
                results.failure(host, &error);
            }
            Err(Interrupted) => {}
        }
        !output::is_over()
    });
    results.finish();
    if stats {
        say(&costs.to_json(&job.module));
    }
    if !streaming::fed_well() {
        codes.push(exit_code::USAGE);
    }
    if interrupt::happened() { Err(Interrupted.into()) } else { Ok(exit_code::of_all(&codes)) }
}

/// Whether the call lacked only what its function declares.
fn is_declared(kind: &CallErrorKind, declared: &Wants) -> bool {
    let CallErrorKind::Denied { needs, .. } = kind else { return false };
    needs.iter().all(|need| declared.needs().any(|declared| declared == *need))
}

/// Does `job` on all `hosts`, and tells what comes of it until `each` wants no more. When it returns, all hosts are closed.
fn call_everywhere<'a>(hosts: &'a [Host], job: &Job, each: impl FnMut(Told<'a>) -> bool) {
    work_through(hosts, |host, told| _ = told.send(Told::Answer(call(host, job, told))), each);
}

/// Does `work` on all `hosts`, many at once, and tells `each` result as it comes. When it returns, all hosts are closed.
pub(crate) fn on_each<'a, T: Send>(
    hosts: &'a [Host],
    work: impl Fn(&'a Host) -> T + Sync,
    mut each: impl FnMut(&'a Host, T),
) {
    let all = |(host, result)| {
        each(host, result);
        true
    };
    work_through(hosts, |host, results| _ = results.send((host, work(host))), all);
}

/// Does `work` on all `hosts`, many at once, and tells `each` of what it sends, until that wants no more.
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
            // Nobody listens any more, also to hosts that have nothing to say for now.
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
    let costs = HostCosts { connection, call: start.elapsed().saturating_sub(connection.connect) };
    Answer { host: host.name(), result, costs }
}

fn on_terms<T: Send + 'static>(job: &Job, call: Call<T>) -> Call<T> {
    let call = call.limits(job.limits.clone()).grant(job.grants.clone());
    match job.seed {
        Some(seed) => call.deterministic(seed),
        None => call,
    }
}

/// Calls a function that sends or receives, and tells what it sends while somebody listens.
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
        return match forward(&received, tell).await.then(|| received.end()).flatten() {
            Some(ChannelEnd::Failed(error)) => Err(*error),
            _ => Ok(None),
        };
    }
    let call = bound.call::<Value>(&job.function, &arguments);
    // The channel ends with those that the call has.
    drop((sender, arguments));
    let call = on_terms(job, call).start();
    match forward(&received, tell).await {
        true => call.await.map(|value| streaming.has_value.then_some(value)),
        false => Ok(None),
    }
}

/// Whether all of it was told.
async fn forward(received: &Receiver<Value>, tell: impl Fn(Value) -> bool) -> bool {
    while let Ok(item) = received.recv_async().await {
        if !tell(item) {
            return false;
        }
    }
    true
}
