//! Runs the transfers of a command, on many hosts at once.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use wxec::{
    CallError, Host,
    fleet::Verdict,
    history::RunWork,
    transfer::{Transfer, transfer_all},
};

use crate::{
    args::transfer_args::TransferArgs,
    base::{exit_code, verbosity::Verbosity},
    hosts::{fan_out::on_each, rollout::Rollout, stopwatch::Stopwatch},
    output::{
        command_error::CommandError,
        results::{Results, Style},
    },
    terminal::{spinner, stderr::say},
    transfer::{
        record::record,
        reporter::{Reporter, summary},
        stdout_writer::StdoutWriter,
        total::Total,
    },
};

/// Runs all transfers, some for each host, and reports their outcome. `work` is their entry in the
/// record.
pub(crate) fn run(
    args: &TransferArgs,
    work: RunWork,
    transfers: Vec<(Host, Vec<Transfer>)>,
    ends: Ends,
    verbosity: Verbosity,
) -> Result<u8, CommandError> {
    run_unless(args, work, transfers, ends, verbosity, &|| false)
}

/// The kind of ends that transfers have here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    Files,
    /// A standard stream, which cannot begin again.
    Stream,
}

/// Writes a file of a host to stdout, and nothing else.
pub(crate) fn run_to_stdout(
    args: &TransferArgs,
    host: &Host,
    path: &Path,
    verbosity: Verbosity,
) -> Result<u8, CommandError> {
    if args.format.is_some() || args.dry_run {
        let option = if args.dry_run {
            "--dry-run"
        } else {
            "--format"
        };
        return Err(CommandError::usage(format!(
            "{option} prints on standard output, which is for the file"
        )));
    }
    let stdout = StdoutWriter::open()
        .map_err(|error| CommandError::usage(format!("cannot write to stdout: {error}")))?;
    let closed = stdout.closed.clone();
    let transfer = host
        .get_writer(path, stdout)
        .options(args.options(verbosity));
    let transfers = vec![(host.clone(), vec![transfer])];
    run_unless(
        args,
        RunWork::default(),
        transfers,
        Ends::Stream,
        verbosity,
        &|| closed.load(Ordering::SeqCst),
    )
}

/// Like [`run`]. If `closed` returns true, the exit code is that of a broken pipe, as in other
/// programs.
fn run_unless(
    args: &TransferArgs,
    work: RunWork,
    transfers: Vec<(Host, Vec<Transfer>)>,
    ends: Ends,
    verbosity: Verbosity,
    closed: &dyn Fn() -> bool,
) -> Result<u8, CommandError> {
    let several = transfers.len() > 1;
    let reporter = Arc::new(Reporter::new(
        transfers.len(),
        args.dry_run,
        args.format.is_some(),
        verbosity,
    ));
    let mut outcome = Outcome {
        args,
        verb: if work.command == "put" {
            "sent"
        } else {
            "received"
        },
        verbosity,
        several,
        results: Results::new(args.format.map_or(Style::Lines, Style::Format), several),
    };
    let (hosts, jobs) = jobs(transfers, several, &reporter);
    let rollout = Rollout::new(&hosts, &args.rollout, ends == Ends::Files, verbosity)?;
    let rollout = rollout.recorded_unseen(&args.rollout, work)?;
    let ended = on_each(rollout, jobs, transfer, judge, |host, ended| {
        reporter.host_done();
        match ended {
            _ if closed() => exit_code::BROKEN_PIPE,
            Ok((total, took)) => outcome.add(host.name(), total, took),
            Err(error) => outcome.fail(host.name(), &error),
        }
    });
    spinner::clear_view();
    outcome.results.finish();
    Ok(ended?)
}

/// The transfers of one host.
type Own = (Host, Vec<Transfer>);

/// Returns the hosts, and the transfers of each with their events going to `reporter`.
fn jobs(transfers: Vec<Own>, several: bool, reporter: &Arc<Reporter>) -> (Vec<Host>, Vec<Own>) {
    let job = |(host, own): Own| {
        let own = reported(&own, &host, several, reporter);
        (host.clone(), (host, own))
    };
    transfers.into_iter().map(job).unzip()
}

async fn transfer((host, own): Own) -> Result<(Total, Duration), CallError> {
    let watch = Stopwatch::start(&host);
    let total = transfer_all(own).await.into_iter().collect();
    Ok((total, watch.elapsed(&host)))
}

fn judge((total, _): &(Total, Duration)) -> Verdict {
    let error = total.errors.first();
    error.map_or_else(Verdict::ok, Verdict::of_transfer)
}

/// Returns the transfers of `host` with their events going to `reporter`.
fn reported(
    transfers: &[Transfer],
    host: &Host,
    several: bool,
    reporter: &Arc<Reporter>,
) -> Vec<Transfer> {
    let name = if several {
        format!("[{host}] ")
    } else {
        String::new()
    };
    let reported = |transfer: Transfer| {
        let (name, reporter) = (name.clone(), reporter.clone());
        transfer.on_event(move |event| reporter.event(&name, &event))
    };
    transfers.iter().cloned().map(reported).collect()
}

/// The outcome on all hosts so far.
struct Outcome<'a> {
    args: &'a TransferArgs,
    verb: &'a str,
    verbosity: Verbosity,
    several: bool,
    results: Results,
}

impl Outcome<'_> {
    /// Reports the total of one host, and returns its exit code.
    fn add(&mut self, host: &str, total: Total, took: Duration) -> u8 {
        let Total { done, errors } = total;
        if let Some(done) = done.as_ref().filter(|_| self.verbosity > Verbosity::Quiet) {
            let to_be = if self.args.dry_run { "to be" } else { "" };
            let prefix = self.prefix(host, "");
            say(&format!(
                "{prefix}{}",
                summary(to_be, self.verb, done, took)
            ));
        }
        let (mut failed, mut codes) = (None, Vec::new());
        for error in &errors {
            let error = CommandError::of_transfer(error, self.verbosity);
            codes.push(error.code);
            error.print(&self.prefix(host, "error: "));
            failed.get_or_insert(error);
        }
        match (done, failed) {
            (Some(done), _) if self.args.format.is_some() => {
                self.results.value(host, record(&done, &errors))
            }
            (None, Some(error)) => self.results.failure(host, &error),
            _ => {}
        }
        exit_code::of_all(&codes)
    }

    /// Reports a host whose transfers did not begin, and returns its exit code.
    fn fail(&mut self, host: &str, error: &CallError) -> u8 {
        let error = CommandError::of_call(error, self.verbosity);
        error.print(&self.prefix(host, "error: "));
        self.results.failure(host, &error);
        error.code
    }

    /// Returns the start of a line about `host`: of many lines, all of which begin with a host, or
    /// of one that is about a `kind`.
    fn prefix(&self, host: &str, kind: &str) -> String {
        if self.several {
            format!("[{host}] {kind}")
        } else {
            format!("{kind}{host}: ")
        }
    }
}
