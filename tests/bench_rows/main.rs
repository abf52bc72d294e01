//! Measures wxec beside its floors, interleaved: floor, wxec, floor, wxec. `tests/bench` builds and
//! runs this program.
//!
//! The program starts an sshd of its own. Each job runs in a process of its own, this program
//! again: the variable that names the ssh configuration has to be set from outside, and a process
//! has only one memory peak.

#![allow(clippy::print_stdout, reason = "the report goes to stdout")]

/// Starts the sshd. Tests use more of the harness than this program does.
#[path = "../harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "tests use the rest")]
mod harness;

/// The jobs: one function for each.
mod jobs;

/// The other programs that wxec is compared with.
mod floors;

/// The harness of the other tools.
mod peers;

/// wxec's part in that harness.
mod peer;

/// Growth, and its picture.
mod growth;

/// A machine at the end of a slow link.
mod far;

/// Memory and CPU time of processes, as `/proc` shows them.
mod proc;

/// The machine that the figures belong to.
mod machine;

/// The options of the command line.
mod options;

/// Rounds, and their summaries.
mod row;

/// The table, and the JSON document.
mod report;

/// Diagrams as SVG.
mod plot;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use far::FAR_HOST;
use harness::Sshd;
use options::Options;
use row::Row;
use serde::de::DeserializeOwned;

/// The variable that names the job for a child of this program.
const JOB_VARIABLE: &str = "WXEC_BENCH_JOB";

/// The variable that makes this program answer the harness of the other tools.
const PEER_VARIABLE: &str = "WXEC_BENCH_PEER";

/// The job that measures growth. It has no rows.
const GROWTH: &str = "growth";

/// Hosts of the fleet are called `fleet1`, `fleet2` and so on.
const FLEET: &str = "fleet*";

fn main() -> ExitCode {
    if env::var_os(PEER_VARIABLE).is_some() {
        let mut arguments = env::args().skip(1);
        let metric = arguments.next().expect("the harness names a metric");
        peer::answer(&metric, &arguments.collect::<Vec<_>>());
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if let Ok(name) = env::var(JOB_VARIABLE) {
        println!("{}", job(&name, &options));
        return ExitCode::SUCCESS;
    }
    if !options.measure {
        // `cargo test --all-targets` starts this program without `--bench`.
        eprintln!("nothing is measured unless cargo bench asks for it: tests/bench");
        return ExitCode::SUCCESS;
    }
    match &options.growth {
        Some(path) => draw_growth(path, &options),
        None => measure(&options),
    }
}

/// Runs a job in this process, and returns its figures as JSON.
fn job(name: &str, options: &Options) -> String {
    let figures = match name {
        GROWTH => serde_json::to_string(&growth::panels(options)),
        name => {
            let job = jobs::named(name).expect("the parent knows its jobs");
            serde_json::to_string(&(job.run)(options))
        }
    };
    figures.expect("figures are plain data")
}

/// Measures growth, and draws the picture.
fn draw_growth(path: &Path, options: &Options) -> ExitCode {
    let Some(sshd) = Sshd::start() else {
        return ExitCode::FAILURE;
    };
    let config = ssh_config(&sshd, jobs::Way::Fast);
    let Some(panels) = run_with::<Vec<plot::Panel>>(GROWTH, config, &sshd, options) else {
        return ExitCode::FAILURE;
    };
    let picture = plot::svg(&panels, &machine::describe().short());
    fs::write(path, picture).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ExitCode::SUCCESS
}

fn measure(options: &Options) -> ExitCode {
    let Some(sshd) = Sshd::start() else {
        return ExitCode::FAILURE;
    };
    let machine = machine::describe();
    if machine.load > 1.0 {
        eprintln!(
            "warning: the load average is {}; floors and wxec suffer differently",
            machine.load
        );
    }
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for job in jobs::JOBS.iter().filter(|job| options.wants(job.name)) {
        eprintln!("measuring {}", job.name);
        match run(job, &sshd, options) {
            Some(measured) => rows.extend(measured),
            None => failed.push(job.name),
        }
    }
    let table = report::text(&machine, &rows, &failed);
    if options.json {
        println!("{}", report::json(&machine, &rows, &failed));
    } else {
        print!("{table}");
    }
    if options.markdown {
        report::put_into_page(&table);
    }
    let compared = !options.peers || peers::run();
    ExitCode::from(u8::from(!failed.is_empty() || !compared))
}

/// Runs one job in a child. Returns `None` if the job fails; the child has said why. A job that
/// cannot run on this machine has no rows.
fn run(job: &jobs::Job, sshd: &Sshd, options: &Options) -> Option<Vec<Row>> {
    match job.way {
        jobs::Way::Far => match far::network() {
            Some(network) => run_with(job.name, network.sshd().config(), sshd, options),
            None => Some(Vec::new()),
        },
        way => run_with(job.name, ssh_config(sshd, way), sshd, options),
    }
}

fn run_with<T: DeserializeOwned>(
    job: &str,
    config: PathBuf,
    sshd: &Sshd,
    options: &Options,
) -> Option<T> {
    let child = Command::new(env::current_exe().expect("the path of this program"))
        .args(options.arguments())
        .env(JOB_VARIABLE, job)
        .env(wxec::host::SSH_CONFIG_VARIABLE, config)
        .env("TMPDIR", sshd.scratch())
        .env_remove("XDG_RUNTIME_DIR")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("this program can be started again");
    child
        .status
        .success()
        .then(|| serde_json::from_slice(&child.stdout).expect("a job prints its figures"))
}

/// Writes the harness's configuration, with hosts for a fleet, and with ssh's default key exchange
/// if the job wants that.
fn ssh_config(sshd: &Sshd, way: jobs::Way) -> PathBuf {
    let config = fs::read_to_string(sshd.config()).expect("sshd has started");
    let config = config.replacen("Host host ", &format!("Host host {FLEET} "), 1);
    let (name, config) = match way {
        jobs::Way::Default => ("default", without(&config, "KexAlgorithms")),
        jobs::Way::Fast | jobs::Way::Far => ("fast", config),
    };
    let path = sshd.home().with_file_name(name);
    fs::write(&path, config).expect("the directory is ours");
    path
}

fn without(config: &str, option: &str) -> String {
    config
        .lines()
        .filter(|line| !line.trim_start().starts_with(option))
        .map(|line| format!("{line}\n"))
        .collect()
}
