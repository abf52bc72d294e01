//! The machine that the figures belong to.

use std::{fmt, fs, process::Command, thread};

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    date: String,
    processors: usize,
    processor: String,
    kernel: String,
    ssh: String,
    rustc: String,
    /// The load average of the minute before measuring began.
    pub(crate) load: f64,
}

pub(crate) fn describe() -> Machine {
    let cpuinfo = read("/proc/cpuinfo");
    let processor = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Machine {
        date: said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"])),
        processors: thread::available_parallelism().map_or(1, usize::from),
        processor: processor.map_or_else(|| "unknown".into(), |(_, name)| name.into()),
        kernel: read("/proc/sys/kernel/osrelease").trim().into(),
        ssh: said(Command::new("ssh").arg("-V")),
        rustc: said(Command::new("rustc").arg("--version")),
        load: read("/proc/loadavg")
            .split(' ')
            .next()
            .and_then(|load| load.parse().ok())
            .unwrap_or(f64::NAN),
    }
}

impl Machine {
    /// As much as fits below a picture.
    pub(crate) fn short(&self) -> String {
        let Self {
            date,
            processors,
            processor,
            kernel,
            load,
            ..
        } = self;
        format!("{date}; {processors} × {processor}; Linux {kernel}; load average {load}")
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            date,
            processors,
            processor,
            kernel,
            ssh,
            rustc,
            load,
        } = self;
        write!(
            f,
            "{date}; {processors} × {processor}; Linux {kernel}; {ssh}; {rustc}; load average {load}"
        )
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Returns the first line that a program prints, on stdout or else on stderr.
fn said(command: &mut Command) -> String {
    let Ok(output) = command.output() else {
        return "unknown".into();
    };
    let words = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&words)
        .lines()
        .next()
        .unwrap_or("unknown")
        .into()
}
