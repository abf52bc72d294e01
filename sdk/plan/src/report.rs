//! The report of a plan's steps.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{difference::Difference, record::PastRun};

/// The steps of a plan, in the order in which they were taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The mode, such as `install`.
    pub mode: String,
    /// True if the plan only said what it would do.
    pub preview: bool,
    /// The number of this run on its host, or in a preview the number that a run would have: one more
    /// than that of the last one. `None` without a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// The steps.
    pub steps: Vec<StepReport>,
    /// Steps of earlier runs whose work is there, and that the plan does not have any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
    /// The last runs of the plan on this host, if the order asked for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<PastRun>,
    /// What there is to know beside the steps, such as that the run before died.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its path in the plan, such as `site/blog/file /etc/motd`.
    pub name: String,
    /// Its state.
    pub state: State,
    /// What it changed, or would change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// Time that it took.
    pub took_ms: u64,
}

/// The state of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum State {
    /// The host was as it should be.
    Ok,
    /// The host was changed, and is now as it should be.
    Changed,
    /// The host would be changed; this is a preview.
    WouldChange,
    /// A preview cannot tell.
    Unknown {
        /// The reason.
        why: String,
    },
    /// The step was left out.
    Skipped {
        /// The reason.
        why: String,
    },
}

impl Report {
    /// Returns true if the host was as the plan wants it, or is not known to differ.
    pub fn is_unchanged(&self) -> bool {
        !self
            .steps
            .iter()
            .any(|step| matches!(step.state, State::Changed | State::WouldChange))
    }

    /// Returns one line with the number of steps in each state, and the reasons of those that are
    /// unknown: `3 steps: 2 ok, 1 would change`.
    pub fn summary(&self) -> String {
        let mut counts: Vec<(&str, usize, Vec<String>)> = Vec::new();
        for step in &self.steps {
            let word = step.state.word();
            let index = counts.iter().position(|(known, ..)| *known == word);
            let index = index.unwrap_or_else(|| {
                counts.push((word, 0, Vec::new()));
                counts.len() - 1
            });
            counts[index].1 += 1;
            if let State::Unknown { why } = &step.state {
                counts[index].2.push(format!("{}: {why}", step.name));
            }
        }
        let states: Vec<_> = counts
            .into_iter()
            .map(|(word, count, reasons)| match &*reasons.join("; ") {
                "" => format!("{count} {word}"),
                reasons => format!("{count} {word} ({reasons})"),
            })
            .collect();
        let plural = if self.steps.len() == 1 { "" } else { "s" };
        let colon = if states.is_empty() { "" } else { ": " };
        format!(
            "{} step{plural}{colon}{}",
            self.steps.len(),
            states.join(", ")
        )
    }
}

impl State {
    /// Returns the state in a word or two.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Changed => "changed",
            Self::WouldChange => "would change",
            Self::Unknown { .. } => "unknown",
            Self::Skipped { .. } => "skipped",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Unknown { why } | Self::Skipped { why } => write!(f, " ({why})"),
            _ => Ok(()),
        }
    }
}

/// One line for each step, then the summary.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{}: {}", step.name, step.state)?;
        }
        f.write_str(&self.summary())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_states_and_says_why_some_are_unknown() {
        let step = |name: &str, state| StepReport {
            name: name.into(),
            state,
            differences: Vec::new(),
            took_ms: 1,
        };
        let mut report = Report::default();
        assert_eq!(report.summary(), "0 steps");
        report.steps.push(step("a", State::Ok));
        assert_eq!(report.summary(), "1 step: 1 ok");
        report.steps.push(step("b", State::WouldChange));
        report.steps.push(step("c", State::Ok));
        let why = "command without guard".to_owned();
        report.steps.push(step("d", State::Unknown { why }));
        assert_eq!(
            report.summary(),
            "4 steps: 2 ok, 1 would change, 1 unknown (d: command without guard)"
        );
    }
}
