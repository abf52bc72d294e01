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

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use harness::Sshd;
use options::Options;
use row::Row;

/// The variable that names the job for a child of this program.
const JOB_VARIABLE: &str = "WXEC_BENCH_JOB";

/// Hosts of the fleet are called `fleet1`, `fleet2` and so on.
const FLEET: &str = "fleet*";

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if let Ok(name) = env::var(JOB_VARIABLE) {
        let job = jobs::named(&name).expect("the parent knows its jobs");
        println!(
            "{}",
            serde_json::to_string(&(job.run)(&options)).expect("rows are plain data")
        );
        return ExitCode::SUCCESS;
    }
    if !options.measure {
        // `cargo test --all-targets` starts this program without `--bench`.
        eprintln!("nothing is measured unless cargo bench asks for it: tests/bench");
        return ExitCode::SUCCESS;
    }
    measure(&options)
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
    if options.json {
        println!("{}", report::json(&machine, &rows, &failed));
    } else {
        print!("{}", report::text(&machine, &rows, &failed));
    }
    ExitCode::from(u8::from(!failed.is_empty()))
}

/// Runs one job in a child. Returns `None` if the job fails; the child has said why.
fn run(job: &jobs::Job, sshd: &Sshd, options: &Options) -> Option<Vec<Row>> {
    let child = Command::new(env::current_exe().expect("the path of this program"))
        .args(options.arguments())
        .env(JOB_VARIABLE, job.name)
        .env(
            wxec::host::SSH_CONFIG_VARIABLE,
            ssh_config(sshd, job.key_exchange),
        )
        .env("TMPDIR", sshd.scratch())
        .env_remove("XDG_RUNTIME_DIR")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("this program can be started again");
    child
        .status
        .success()
        .then(|| serde_json::from_slice(&child.stdout).expect("a job prints its rows"))
}

/// Writes the harness's configuration, with hosts for a fleet, and with ssh's default key exchange
/// if the job wants that.
fn ssh_config(sshd: &Sshd, key_exchange: jobs::KeyExchange) -> PathBuf {
    let config = fs::read_to_string(sshd.config()).expect("sshd has started");
    let config = config.replacen("Host host ", &format!("Host host {FLEET} "), 1);
    let (name, config) = match key_exchange {
        jobs::KeyExchange::Fast => ("fast", config),
        jobs::KeyExchange::Default => ("default", without(&config, "KexAlgorithms")),
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
