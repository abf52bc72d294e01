//! The arithmetic of a run: sizes of its batches, and the number of hosts that may fail.

use std::fmt;

use super::{amount::Amount, batches::Batches};

/// The arithmetic of a run on a number of hosts. Its text is for people, before the first host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    hosts: usize,
    batches: Vec<usize>,
    /// Batches whose sizes were written. Those after them are repetitions.
    written: usize,
    max_fail: Option<Amount>,
    unreachable_ok: usize,
}

impl Schedule {
    pub(super) fn new(
        hosts: usize,
        batches: Option<&Batches>,
        max_fail: Option<Amount>,
        unreachable_ok: usize,
    ) -> Self {
        let all = || Vec::from_iter((hosts > 0).then_some(hosts));
        Self {
            hosts,
            batches: batches.map_or_else(all, |batches| batches.sizes(hosts)),
            written: batches.map_or(1, Batches::written),
            max_fail: max_fail.or_else(|| batches.map(|_| Amount::Hosts(0))),
            unreachable_ok,
        }
    }

    /// Returns the size of each batch.
    pub fn batches(&self) -> &[usize] {
        &self.batches
    }

    /// Returns the number of hosts that may fail; `None` without a limit.
    pub fn allowed(&self) -> Option<usize> {
        self.max_fail.map(|amount| amount.rounded_down(self.hosts))
    }

    fn fmt_batches(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (written, repeated) = self.batches.split_at(self.written.min(self.batches.len()));
        f.write_str(match &*self.batches {
            [_] => "one batch",
            _ => "batches ",
        })?;
        if self.batches.len() == 1 {
            return Ok(());
        }
        let mut parts: Vec<_> = written.iter().map(usize::to_string).collect();
        for group in repeated.chunk_by(|one, other| one == other) {
            parts.push(match group {
                [size] => size.to_string(),
                [size, ..] => format!("{size}×{}", group.len()),
                [] => continue,
            });
        }
        f.write_str(&parts.join(", "))
    }

    fn fmt_limit(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(allowed) = self.allowed() else {
            return Ok(());
        };
        match allowed {
            0 => f.write_str("; stops when one fails")?,
            allowed if allowed >= self.hosts => f.write_str("; stops for no failure")?,
            allowed => write!(f, "; stops when more than {allowed} fail")?,
        }
        if let Some(amount @ Amount::Percent(_)) = self.max_fail {
            write!(f, " ({amount} of {})", self.hosts)?;
        }
        match self.unreachable_ok {
            0 => Ok(()),
            1 => f.write_str("; 1 may be unreachable"),
            hosts => write!(f, "; {hosts} may be unreachable"),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = if self.hosts == 1 { "host" } else { "hosts" };
        write!(f, "{} {hosts}: ", self.hosts)?;
        self.fmt_batches(f)?;
        self.fmt_limit(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arithmetic_is_told_in_one_line() {
        for (hosts, batches, max_fail, text) in [
            (
                37,
                Some("1,10%"),
                Some("10%"),
                "37 hosts: batches 1, 4, 4×8; stops when more than 3 fail (10 % of 37)",
            ),
            (
                36,
                Some("1,10%"),
                None,
                "36 hosts: batches 1, 4, 4×7, 3; stops when one fails",
            ),
            (
                37,
                Some("1,10%,rest"),
                Some("2"),
                "37 hosts: batches 1, 4, 32; stops when more than 2 fail",
            ),
            (
                9,
                None,
                Some("10%"),
                "9 hosts: one batch; stops when one fails (10 % of 9)",
            ),
            (
                2,
                Some("1"),
                Some("100%"),
                "2 hosts: batches 1, 1; stops for no failure (100 % of 2)",
            ),
            (
                1,
                Some("1"),
                None,
                "1 host: one batch; stops when one fails",
            ),
        ] {
            let batches = batches.map(|batches| batches.parse().unwrap());
            let max_fail = max_fail.map(|max_fail| max_fail.parse().unwrap());
            let schedule = Schedule::new(hosts, batches.as_ref(), max_fail, 0);
            assert_eq!(schedule.to_string(), text);
        }
        assert_eq!(
            Schedule::new(5, None, Some(Amount::Hosts(1)), 2).to_string(),
            "5 hosts: one batch; stops when more than 1 fail; 2 may be unreachable"
        );
    }
}
