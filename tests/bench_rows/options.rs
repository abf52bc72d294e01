//! The options of the command line.

use std::path::PathBuf;

use crate::jobs::JOBS;

const USAGE: &str =
    "usage: tests/bench [--rounds N] [--rows JOB,JOB] [--quick] [--json | --markdown] [--peers]
       tests/bench --growth FILE.svg [--quick | --long]";

#[derive(Debug, Default)]
pub(crate) struct Options {
    /// True if cargo asks for measurements, rather than for a test.
    pub(crate) measure: bool,
    pub(crate) json: bool,
    /// True if docs/performance.md gets the table.
    pub(crate) markdown: bool,
    /// True if the peers are to be measured, too.
    pub(crate) peers: bool,
    /// The file for the picture of growth, which takes the place of all rows.
    pub(crate) growth: Option<PathBuf>,
    quick: bool,
    long: bool,
    rounds: Option<usize>,
    /// The jobs to run; all if empty.
    rows: Vec<String>,
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => options.measure = true,
                "--json" => options.json = true,
                "--markdown" => options.markdown = true,
                "--peers" => options.peers = true,
                "--growth" => {
                    let file = arguments.next().ok_or_else(usage)?;
                    // cargo runs this program in the folder of its package.
                    let called_in = std::env::var_os("WXEC_BENCH_CALLED_IN").unwrap_or_default();
                    options.growth = Some(PathBuf::from(called_in).join(file));
                }
                "--quick" => options.quick = true,
                "--long" => options.long = true,
                "--rounds" => {
                    let rounds = arguments
                        .next()
                        .and_then(|number| number.parse().ok())
                        .filter(|rounds| *rounds > 0);
                    options.rounds = Some(rounds.ok_or_else(usage)?);
                }
                "--rows" => {
                    let names = arguments.next().ok_or_else(usage)?;
                    options.rows = names.split(',').map(str::to_owned).collect();
                }
                _ => return Err(usage()),
            }
        }
        match options
            .rows
            .iter()
            .find(|name| crate::jobs::named(name).is_none())
        {
            Some(unknown) => Err(format!("there is no job `{unknown}`\n{}", usage())),
            None => Ok(options),
        }
    }

    /// The arguments for a child of this program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if self.quick {
            arguments.push("--quick".into());
        }
        if self.long {
            arguments.push("--long".into());
        }
        if let Some(rounds) = self.rounds {
            arguments.extend(["--rounds".into(), rounds.to_string()]);
        }
        arguments
    }

    pub(crate) fn wants(&self, job: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|name| name == job)
    }

    /// The number of rounds of a job: `usual`, unless the command line says otherwise.
    pub(crate) fn rounds(&self, usual: usize) -> usize {
        self.rounds
            .unwrap_or_else(|| if self.quick { usual.min(3) } else { usual })
    }

    /// The amount of work in a round: a tenth of `usual` with `--quick`.
    pub(crate) fn amount(&self, usual: usize) -> usize {
        if self.quick { usual / 10 } else { usual }
    }

    pub(crate) fn is_long(&self) -> bool {
        self.long
    }

    /// The size of the file that `put` and `get` copy.
    pub(crate) fn large_file_mib(&self) -> u64 {
        if self.quick { 256 } else { 1024 }
    }
}

fn usage() -> String {
    let names: Vec<_> = JOBS.iter().map(|job| job.name).collect();
    format!("{USAGE}\njobs: {}", names.join(", "))
}
