//! One thing done on many hosts: each result is told as it comes, and its host closed.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use wxec::{CallError, Grants, Host, Limits, Module, Value};

use crate::{
    interrupt::{self, Interrupted},
    stats::HostCosts,
};

/// Hosts worked on at once: each may need a process and a few files here.
const MAX_PARALLEL: usize = 128;

/// What to call, and with what.
pub(crate) struct Job {
    pub(crate) module: Module,
    pub(crate) function: String,
    pub(crate) input: Value,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    pub(crate) seed: Option<u64>,
}

/// How it went on one host.
pub(crate) struct Answer<'a> {
    pub(crate) host: &'a str,
    pub(crate) result: Result<Result<Value, CallError>, Interrupted>,
    pub(crate) costs: HostCosts,
}

/// Does `job` on all `hosts`, and tells `each` answer. When it returns, all hosts are closed.
pub(crate) fn call_everywhere<'a>(hosts: &'a [Host], job: &Job, mut each: impl FnMut(Answer<'a>)) {
    on_each(hosts, |host| call(host, job), |_, answer| each(answer));
}

/// Does `work` on all `hosts`, many at once, and tells `each` result as it comes. When it returns, all hosts are closed.
pub(crate) fn on_each<'a, T: Send>(
    hosts: &'a [Host],
    work: impl Fn(&'a Host) -> T + Sync,
    mut each: impl FnMut(&'a Host, T),
) {
    let next = AtomicUsize::new(0);
    let (results, arrived) = mpsc::channel();
    thread::scope(|scope| {
        let work_through = |results: mpsc::Sender<_>| {
            while let Some(host) = hosts.get(next.fetch_add(1, Ordering::Relaxed)) {
                let _ = results.send((host, work(host)));
                host.close().wait();
            }
        };
        for _ in 0..hosts.len().min(MAX_PARALLEL) {
            let results = results.clone();
            scope.spawn(move || work_through(results));
        }
        drop(results);
        arrived.iter().for_each(|(host, result)| each(host, result));
    });
}

fn call<'a>(host: &'a Host, job: &Job) -> Answer<'a> {
    let start = Instant::now();
    let call = host.bind(&job.module).call(&job.function, &job.input);
    let mut call = call.limits(job.limits.clone()).grant(job.grants.clone());
    if let Some(seed) = job.seed {
        call = call.deterministic(seed);
    }
    let result = if interrupt::happened() { Err(Interrupted) } else { interrupt::block_on(call) };
    let connection = host.stats();
    let costs = HostCosts { connection, call: start.elapsed().saturating_sub(connection.connect) };
    Answer { host: host.name(), result, costs }
}
