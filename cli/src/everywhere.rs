//! One call on many hosts: what comes of it is told as it comes, and each host closed.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use wxec::{Call, CallError, ChannelEnd, Grants, Host, Limits, Module, Receiver, Value, channel};

use crate::{
    interrupt::{self, Interrupted},
    stats::HostCosts,
    streaming::Streaming,
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
pub(crate) enum Told<'a> {
    /// Something was sent on a host.
    Item(&'a str, Value),
    /// The call has ended there.
    Answer(Answer<'a>),
}

/// How it went on one host.
pub(crate) struct Answer<'a> {
    pub(crate) host: &'a str,
    /// There may be no value to print.
    pub(crate) result: Result<Result<Option<Value>, CallError>, Interrupted>,
    pub(crate) costs: HostCosts,
}

/// Does `job` on all `hosts`, and tells what comes of it, until `each` wants no more. When it returns, all hosts are closed.
pub(crate) fn call_everywhere<'a>(hosts: &'a [Host], job: &Job, each: impl FnMut(Told<'a>) -> bool) {
    let next = AtomicUsize::new(0);
    let (answers, arrived) = mpsc::sync_channel(MAX_ITEMS);
    thread::scope(|scope| {
        let work = |answers: mpsc::SyncSender<_>| {
            while let Some(host) = hosts.get(next.fetch_add(1, Ordering::Relaxed)) {
                let _ = answers.send(Told::Answer(call(host, job, &answers)));
                host.close().wait();
            }
        };
        for _ in 0..hosts.len().min(MAX_PARALLEL) {
            let answers = answers.clone();
            scope.spawn(move || work(answers));
        }
        drop(answers);
        // Where nobody listens any more, calls that send are given up.
        let _ = arrived.into_iter().all(each);
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
