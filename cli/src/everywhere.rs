//! The same on many hosts: each answer is told as it comes, and its host closed.

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
    let work = |host: &'a Host, answers: &mpsc::Sender<_>| {
        let _ = answers.send(call(host, job));
        host.close().wait();
    };
    everywhere(hosts, work, &mut each);
}

/// Does `work` with each of some things, many at once, and tells `each` what that sends.
pub(crate) fn everywhere<'a, T: Sync, A: Send>(
    all: &'a [T],
    work: impl Fn(&'a T, &mpsc::Sender<A>) + Sync,
    each: impl FnMut(A),
) {
    let next = AtomicUsize::new(0);
    let (answers, arrived) = mpsc::channel();
    thread::scope(|scope| {
        let work = |answers: mpsc::Sender<_>| {
            while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                work(one, &answers);
            }
        };
        for _ in 0..all.len().min(MAX_PARALLEL) {
            let answers = answers.clone();
            scope.spawn(move || work(answers));
        }
        drop(answers);
        arrived.iter().for_each(each);
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
