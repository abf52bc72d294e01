//! Results of work on each host of a fleet.

use std::{fmt, sync::Arc};

use wxec_controller::CallError;

use crate::rollout::Stopped;

/// Result of the work on one host of a fleet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome<T, E = CallError> {
    /// Name of the host.
    pub host: Arc<str>,
    /// Position of the host in its fleet.
    pub index: usize,
    /// The value, or the error.
    pub result: Result<T, E>,
}

/// Outcomes of each host of a fleet, in the fleet's order. A run that [stopped](Self::stopped) has
/// none of the hosts that it did not start.
#[derive(Debug, Clone)]
pub struct Outcomes<T, E = CallError> {
    all: Vec<Outcome<T, E>>,
    /// Number of hosts of the run.
    hosts: usize,
    stopped: Option<Stopped>,
}

impl<T, E> Outcomes<T, E> {
    pub(crate) fn new(all: Vec<Outcome<T, E>>, hosts: usize, stopped: Option<Stopped>) -> Self {
        Self {
            all,
            hosts,
            stopped,
        }
    }

    /// Returns why the run stopped before its last host, if it did.
    pub fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    /// Returns the hosts that succeeded, with their values.
    pub fn successes(&self) -> impl Iterator<Item = (&str, &T)> {
        self.all
            .iter()
            .filter_map(|outcome| Some((&*outcome.host, outcome.result.as_ref().ok()?)))
    }

    /// Returns the hosts that failed, with their errors.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &E)> {
        self.all
            .iter()
            .filter_map(|outcome| Some((&*outcome.host, outcome.result.as_ref().err()?)))
    }

    /// Returns all outcomes.
    pub fn iter(&self) -> std::slice::Iter<'_, Outcome<T, E>> {
        self.all.iter()
    }

    /// Returns all values, or one error that names every host that failed, or has no outcome.
    pub fn into_result(self) -> Result<Vec<(Arc<str>, T)>, FleetError<E>> {
        let hosts = self.hosts;
        let (mut values, mut failures) = (Vec::new(), Vec::new());
        for Outcome { host, result, .. } in self.all {
            match result {
                Ok(value) => values.push((host, value)),
                Err(error) => failures.push(error),
            }
        }
        if failures.is_empty() && self.stopped.is_none() {
            return Ok(values);
        }
        Err(FleetError {
            hosts,
            failures,
            stopped: self.stopped,
        })
    }
}

impl<T, E> IntoIterator for Outcomes<T, E> {
    type Item = Outcome<T, E>;
    type IntoIter = std::vec::IntoIter<Outcome<T, E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

impl<'a, T, E> IntoIterator for &'a Outcomes<T, E> {
    type Item = &'a Outcome<T, E>;
    type IntoIter = std::slice::Iter<'a, Outcome<T, E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Some hosts of a fleet failed, or have no outcome.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FleetError<E = CallError> {
    /// Number of hosts in the fleet.
    pub hosts: usize,
    /// The errors, one for each host that failed.
    pub failures: Vec<E>,
    /// The reason why the run stopped before its last host, if it did.
    pub stopped: Option<Stopped>,
}

impl<E: fmt::Display> fmt::Display for FleetError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} hosts failed", self.failures.len(), self.hosts)?;
        self.failures
            .iter()
            .try_for_each(|failure| write!(f, "\n  {failure}"))?;
        self.stopped
            .as_ref()
            .map_or(Ok(()), |stopped| write!(f, "\n  {stopped}"))
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for FleetError<E> {}
