//! One thing done on many hosts: each result is told, or printed, as it comes, and its host closed.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use wxec::{CallError, CallErrorKind, Grants, Host, Limits, Module, Value, Wants};

use crate::{
    args::Verbosity,
    command_error::CommandError,
    exit_code,
    interrupt::{self, Interrupted},
    output::{Results, Style, say},
    stats::{Costs, HostCosts},
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
struct Answer<'a> {
    host: &'a str,
    result: Result<Result<Value, CallError>, Interrupted>,
    costs: HostCosts,
}

/// Does `job` on all `hosts`, prints each answer, and if `stats` is set what it has cost. Returns the exit code.
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
    let mut printed = Ok(());
    call_everywhere(hosts, job, |Answer { host, result, costs: spent }| {
        costs.add(host, spent);
        let print = match result {
            Ok(Ok(value)) => results.value(host, value),
            Ok(Err(error)) => {
                let is_declared = declared.is_some_and(|declared| is_declared(&error.kind, declared));
                let mut error = CommandError::of_call(&error, verbosity);
                if is_declared {
                    error = error.hint("add that, or --allow-declared to grant all that the function declares");
                }
                codes.push(error.code);
                error.print(&if several { format!("[{host}] error: ") } else { format!("error: {host}: ") });
                results.failure(host, &error)
            }
            Err(Interrupted) => Ok(()),
        };
        if printed.is_ok() {
            printed = print;
        }
    });
    printed.and_then(|()| results.finish()).map_err(CommandError::cannot_print)?;
    if stats {
        say(&costs.to_json(&job.module));
    }
    if interrupt::happened() { Err(Interrupted.into()) } else { Ok(exit_code::of_all(&codes)) }
}

/// Whether the call lacked only what its function declares.
fn is_declared(kind: &CallErrorKind, declared: &Wants) -> bool {
    let CallErrorKind::Denied { needs, .. } = kind else { return false };
    needs.iter().all(|need| declared.needs().any(|declared| declared == *need))
}

/// Does `job` on all `hosts`, and tells `each` answer. When it returns, all hosts are closed.
fn call_everywhere<'a>(hosts: &'a [Host], job: &Job, mut each: impl FnMut(Answer<'a>)) {
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
