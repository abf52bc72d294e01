//! Rounds, and their summaries.

use serde::{Deserialize, Serialize};

/// One line of the report.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) budget: Budget,
    pub(crate) rounds: Vec<Round>,
}

/// Figures measured right after each other. `floor` is empty in a row without a floor.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) floor: Vec<f64>,
    pub(crate) wxec: Vec<f64>,
}

/// The bound on the figures of a row.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Budget {
    /// No bound: the row explains other rows.
    None,
    /// At most this many times the floor.
    Ratio(f64),
    /// At most this much more than the floor.
    More(f64),
    /// At most this many times the floor, and at most this figure.
    Both(f64, f64),
    AtMost(f64),
    AtLeast(f64),
}

/// A summary of some figures.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) n: usize,
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Round {
    pub(crate) fn of(floor: f64, wxec: f64) -> Self {
        Self {
            floor: vec![floor],
            wxec: vec![wxec],
        }
    }
}

impl Row {
    pub(crate) fn new(name: impl Into<String>, unit: &str, budget: Budget) -> Self {
        Self {
            name: name.into(),
            unit: unit.into(),
            budget,
            rounds: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, rounds: Vec<Round>) -> Self {
        self.rounds = rounds;
        self
    }

    /// A row with one figure.
    pub(crate) fn of(name: &str, unit: &str, budget: Budget, figure: f64) -> Self {
        Self::new(name, unit, budget).with_figures(vec![figure])
    }

    /// Sets the figures of a row without a floor.
    pub(crate) fn with_figures(self, wxec: Vec<f64>) -> Self {
        self.with(vec![Round {
            floor: vec![],
            wxec,
        }])
    }

    pub(crate) fn floor(&self) -> Option<Summary> {
        Summary::of(
            self.rounds
                .iter()
                .flat_map(|round| round.floor.iter().copied()),
        )
    }

    pub(crate) fn wxec(&self) -> Option<Summary> {
        Summary::of(
            self.rounds
                .iter()
                .flat_map(|round| round.wxec.iter().copied()),
        )
    }

    /// wxec's figures, relative to the floor of the same round.
    pub(crate) fn ratio(&self) -> Option<Summary> {
        Summary::of(self.rounds.iter().filter_map(|round| {
            let median = |figures: &[f64]| Some(Summary::of(figures.iter().copied())?.median);
            Some(median(&round.wxec)? / median(&round.floor)?)
        }))
    }

    /// Returns true if the row is within its budget; `None` without a budget or without figures.
    pub(crate) fn is_ok(&self) -> Option<bool> {
        match self.budget {
            Budget::None => None,
            Budget::Ratio(most) => Some(self.ratio()?.median <= most),
            Budget::More(most) => Some(self.wxec()?.median <= self.floor()?.median + most),
            Budget::Both(ratio, most) => {
                Some(self.ratio()?.median <= ratio && self.wxec()?.median <= most)
            }
            Budget::AtMost(most) => Some(self.wxec()?.median <= most),
            Budget::AtLeast(least) => Some(self.wxec()?.median >= least),
        }
    }
}

impl Summary {
    /// Returns `None` if there are no figures.
    fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<_> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = if figures.len() % 2 == 0 {
            f64::midpoint(figures[middle - 1], figures[middle])
        } else {
            figures[middle]
        };
        Some(Self {
            n: figures.len(),
            min,
            median,
            max,
        })
    }
}
