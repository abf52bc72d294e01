//! Results of work on each host of a fleet.

use std::{fmt, sync::Arc};

use wxec_controller::CallError;

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

/// Outcomes of each host of a fleet, in the fleet's order.
#[derive(Debug, Clone)]
pub struct Outcomes<T, E = CallError>(pub(crate) Vec<Outcome<T, E>>);

impl<T, E> Outcomes<T, E> {
    /// Returns the hosts that succeeded, with their values.
    pub fn successes(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0
            .iter()
            .filter_map(|outcome| Some((&*outcome.host, outcome.result.as_ref().ok()?)))
    }

    /// Returns the hosts that failed, with their errors.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &E)> {
        self.0
            .iter()
            .filter_map(|outcome| Some((&*outcome.host, outcome.result.as_ref().err()?)))
    }

    /// Returns all outcomes.
    pub fn iter(&self) -> std::slice::Iter<'_, Outcome<T, E>> {
        self.0.iter()
    }

    /// Returns all values, or one error that names every host that failed.
    pub fn into_result(self) -> Result<Vec<(Arc<str>, T)>, FleetError<E>> {
        let hosts = self.0.len();
        let (mut values, mut failures) = (Vec::new(), Vec::new());
        for Outcome { host, result, .. } in self.0 {
            match result {
                Ok(value) => values.push((host, value)),
                Err(error) => failures.push(error),
            }
        }
        if failures.is_empty() {
            Ok(values)
        } else {
            Err(FleetError { hosts, failures })
        }
    }
}

impl<T, E> IntoIterator for Outcomes<T, E> {
    type Item = Outcome<T, E>;
    type IntoIter = std::vec::IntoIter<Outcome<T, E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T, E> IntoIterator for &'a Outcomes<T, E> {
    type Item = &'a Outcome<T, E>;
    type IntoIter = std::slice::Iter<'a, Outcome<T, E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Some hosts of a fleet failed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FleetError<E = CallError> {
    /// Number of hosts in the fleet.
    pub hosts: usize,
    /// The errors, one for each host that failed.
    pub failures: Vec<E>,
}

impl<E: fmt::Display> fmt::Display for FleetError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} hosts failed", self.failures.len(), self.hosts)?;
        self.failures
            .iter()
            .try_for_each(|failure| write!(f, "\n  {failure}"))
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for FleetError<E> {}
