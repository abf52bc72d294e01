//! The options of the command line.

use crate::jobs::JOBS;

const USAGE: &str = "usage: tests/bench [--rounds N] [--rows JOB,JOB] [--quick] [--json]";

#[derive(Debug, Default)]
pub(crate) struct Options {
    /// True if cargo asks for measurements, rather than for a test.
    pub(crate) measure: bool,
    pub(crate) json: bool,
    quick: bool,
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
                "--quick" => options.quick = true,
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
}

fn usage() -> String {
    let names: Vec<_> = JOBS.iter().map(|job| job.name).collect();
    format!("{USAGE}\njobs: {}", names.join(", "))
}
