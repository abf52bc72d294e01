//! `wxec history`: shows what was done on which hosts, and how it went.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::PathBuf,
};

use clap::ValueEnum;
use wxec::history::{RecordError, RunFolder, RunHeader, RunRecord};

use crate::{
    base::{exit_code, quantity::show_duration},
    history::{
        page::page,
        summary::{began, counts, outcomes, slowest},
    },
    output::command_error::CommandError,
    terminal::stdout::{is_over, print_bytes, print_line},
};

/// Bytes of a record that are copied at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Show what was done on which hosts, and how it went
///
/// Whatever is done on several hosts is recorded while it goes on: the command, its hosts, when each
/// began and ended, and why it failed. No arguments, values or output are kept; targets are, as they
/// were typed, and errors as they are printed. The last 500 runs are kept, in `runs` of the folder $WXEC_STATE, $XDG_STATE_HOME/wxec or ~/.local/state/wxec.
///
/// RUN is `last`, or the beginning of a run's name. Without it, runs are listed, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run to show: `last`, or the beginning of its name
    run: Option<String>,
    /// Write a page about RUN: a timeline of its hosts, and what went wrong
    #[arg(long, value_name = "FILE", requires = "run", conflicts_with = "format")]
    html: Option<PathBuf>,
    /// Print for programs: `json` is one document, `ndjson` the events as they are recorded
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// List at most this many runs
    #[arg(short, long, value_name = "N", default_value_t = 20)]
    number: usize,
}

const EXAMPLES: &str = "\
Examples:
  wxec history
  wxec history last
  wxec history last --html run.html
  wxec history 20261128-07 --format json | jq '.hosts[] | select(.ending != \"ok\")'";

/// A form for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON document
    Json,
    /// One JSON object for each event of RUN, as it was recorded; for each run without RUN
    Ndjson,
}

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    let folder = RunFolder::of_user()?;
    match &args.run {
        Some(words) => show(&folder, &folder.find(words)?, args),
        None => list(&folder, args),
    }
}

fn show(folder: &RunFolder, id: &str, args: &Args) -> Result<u8, CommandError> {
    if args.format == Some(Format::Ndjson) {
        return copy(folder, id);
    }
    let run = RunRecord::read(folder, id)?;
    if let Some(file) = &args.html {
        let page =
            page(&run).map_err(|error| CommandError::new(exit_code::BUG, error.to_string()))?;
        fs::write(file, page).map_err(|error| {
            CommandError::usage(format!("cannot write {}: {error}", file.display()))
        })?;
        return Ok(exit_code::OK);
    }
    match args.format {
        Some(_) => print_json(&run),
        None => lines(&run).iter().for_each(|line| print_line(line)),
    }
    Ok(exit_code::OK)
}

/// Prints the events of a run as they stand in its record.
fn copy(folder: &RunFolder, id: &str) -> Result<u8, CommandError> {
    let path = folder.path(id);
    let read =
        |error: io::Error| CommandError::usage(format!("cannot read {}: {error}", path.display()));
    let mut file = File::open(&path).map_err(read)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    while !is_over() {
        match file.read(&mut chunk).map_err(read)? {
            0 => break,
            length => print_bytes(&chunk[..length]),
        }
    }
    Ok(exit_code::OK)
}

fn print_json(value: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        print_line(&text);
    }
}

/// Returns a run in words.
fn lines(run: &RunRecord) -> Vec<String> {
    let RunHeader {
        id, wxec, by, work, ..
    } = &run.header;
    let began = began(run);
    let took = show_duration(run.lasted());
    let end = match run.exit_code {
        Some(code) => format!("exit code {code}"),
        None => "none: it still goes on, or was killed".into(),
    };
    let hosts = run.hosts.len();
    let heads = [
        ("run", Some(id.clone())),
        ("what", Some(format!("{} {}", work.command, work.what))),
        ("on", Some(format!("{} ({hosts} hosts)", work.target))),
        ("by", Some(format!("{by} with wxec {wxec}"))),
        ("began", Some(format!("{began}, took {took}"))),
        ("policy", work.policy.clone()),
        ("resumes", work.resumes.clone()),
        ("stopped", run.stopped.clone()),
        ("end", Some(end)),
        ("slowest", slowest(run)),
    ];
    let heads = heads
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name:<9}{}", value?)));
    heads.chain([String::new()]).chain(outcomes(run)).collect()
}

fn list(folder: &RunFolder, args: &Args) -> Result<u8, CommandError> {
    let ids = folder.ids()?;
    let runs: Vec<_> = ids
        .iter()
        .rev()
        .take(args.number)
        .map(|id| RunRecord::read(folder, id).map_err(|error| (id, error)))
        .collect();
    match args.format {
        Some(Format::Json) => print_json(&runs.iter().flatten().collect::<Vec<_>>()),
        Some(Format::Ndjson) => runs.iter().flatten().for_each(print_json),
        None if runs.is_empty() => {
            print_line("no run has been recorded yet: whatever is done on several hosts is");
        }
        None => runs.iter().for_each(|run| print_line(&line(run))),
    }
    // One unreadable record hides no other.
    let unreadable = runs.iter().filter_map(|run| run.as_ref().err());
    let mut code = exit_code::OK;
    for (_, error) in unreadable {
        CommandError::usage(error.to_string()).print("error: ");
        code = exit_code::USAGE;
    }
    Ok(code)
}

/// Returns a run in one line.
fn line(run: &Result<RunRecord, (&String, RecordError)>) -> String {
    match run {
        Ok(run) => {
            let RunHeader { id, work, .. } = &run.header;
            let (command, what, target) = (&work.command, &work.what, &work.target);
            format!("{id}  {command} {what} on {target}: {}", counts(run))
        }
        Err((id, _)) => format!("{id}  unreadable"),
    }
}
