//! Runs the transfers of a command, on many hosts at once.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use wxec::{
    CallError, Host,
    fleet::Verdict,
    history::RunWork,
    transfer::{Transfer, transfer_all},
};

use crate::{
    args::{rollout_args::Chosen, transfer_args::TransferArgs},
    base::{exit_code, verbosity::Verbosity},
    hosts::{
        fan_out::{Reported, on_each},
        rollout::Rollout,
        stopwatch::Stopwatch,
    },
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

/// The transfers of a command.
pub(crate) struct Transfers {
    pub(crate) chosen: Chosen,
    /// Their entry in the record.
    pub(crate) work: RunWork,
    /// Those of each host.
    pub(crate) each: Vec<Vec<Transfer>>,
    pub(crate) ends: Ends,
}

/// The kind of ends that transfers have here.
#[derive(Debug, Clone)]
pub(crate) enum Ends {
    Files,
    /// Standard input, which cannot begin again.
    Stdin,
    /// Standard output, which cannot either; set once its reader is gone.
    Stdout(Arc<AtomicBool>),
}

impl Ends {
    /// Returns true if the reader of the other end is gone.
    fn are_closed(&self) -> bool {
        matches!(self, Self::Stdout(closed) if closed.load(Ordering::SeqCst))
    }
}

/// Writes a file of a host to stdout, and nothing else.
pub(crate) fn run_to_stdout(
    args: &TransferArgs,
    chosen: Chosen,
    work: RunWork,
    path: &Path,
    verbosity: Verbosity,
) -> Result<u8, CommandError> {
    let [host] = &*chosen.hosts else {
        let hosts = chosen.hosts.len();
        let message = format!("standard output is for one host, not for {hosts}");
        return Err(CommandError::usage(message)
            .hint("get each file under a name of its own, as in `x.{host}`"));
    };
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
    let ends = Ends::Stdout(stdout.closed.clone());
    let transfer = host
        .get_writer(path, stdout)
        .options(args.options(verbosity));
    let transfers = Transfers {
        chosen,
        work,
        each: vec![vec![transfer]],
        ends,
    };
    run(args, transfers, verbosity)
}

/// Runs all transfers, and reports their outcome. If the reader of stdout is gone, the exit code is
/// that of a broken pipe, as in other programs.
pub(crate) fn run(
    args: &TransferArgs,
    transfers: Transfers,
    verbosity: Verbosity,
) -> Result<u8, CommandError> {
    let Transfers {
        chosen,
        work,
        each,
        ends,
    } = transfers;
    let several = chosen.several;
    let formatted = args.format.is_some();
    let reporter = Reporter::new(chosen.hosts.len(), args.dry_run, formatted, verbosity);
    let reporter = Arc::new(reporter);
    let style = args.format.map_or(Style::Lines, Style::Format);
    let mut outcome = Outcome {
        args,
        verb: if work.command == "put" {
            "sent"
        } else {
            "received"
        },
        verbosity,
        several,
        results: Results::new(style, several),
    };
    let jobs = jobs(&chosen.hosts, each, several, &reporter);
    let rollout = Rollout::new(chosen, &args.rollout, work, verbosity)?
        .idempotent(matches!(ends, Ends::Files))
        .unseen()
        .styled(style);
    let run = on_each(rollout, jobs, transfer, judge, |host, ended| {
        reporter.host_done();
        match ended {
            _ if ends.are_closed() => exit_code::BROKEN_PIPE.into(),
            Ok((total, took)) => outcome.add(host.name(), total, took),
            Err(error) => outcome.fail(host.name(), &error).into(),
        }
    });
    spinner::clear_view();
    outcome.results.finish();
    Ok(run.end()?)
}

/// The transfers of one host.
type Own = (Host, Vec<Transfer>);

/// Returns the transfers of each of `hosts` with their events going to `reporter`.
fn jobs(
    hosts: &[Host],
    each: Vec<Vec<Transfer>>,
    several: bool,
    reporter: &Arc<Reporter>,
) -> Vec<Own> {
    let job = |(host, own): (&Host, Vec<Transfer>)| {
        let own = reported(&own, host, several, reporter);
        (host.clone(), own)
    };
    hosts.iter().zip(each).map(job).collect()
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
    /// Reports the total of one host.
    fn add(&mut self, host: &str, total: Total, took: Duration) -> Reported {
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
        let value = match (done, failed) {
            (Some(done), _) if self.args.format.is_some() => {
                self.results.value(host, record(&done, &errors))
            }
            (None, Some(error)) => {
                self.results.failure(host, &error);
                None
            }
            _ => None,
        };
        Reported::new(exit_code::of_all(&codes), value)
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
