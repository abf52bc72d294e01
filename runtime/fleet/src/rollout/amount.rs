//! Numbers of hosts, as people write them.

use std::{fmt, str::FromStr};

/// A number of hosts: a count, or a percentage of all hosts of a run.
///
/// ```
/// # use wxec_fleet::__docs as wxec;
/// use wxec::fleet::Amount;
///
/// let tenth: Amount = "10%".parse()?;
/// assert_eq!((tenth.rounded_up(37), tenth.rounded_down(37)), (4, 3));
/// # Ok::<(), wxec::fleet::RulesError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many hosts.
    Hosts(usize),
    /// So many percent of all hosts.
    Percent(u8),
}

/// The text is no rules: the text, and the form of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no {expected}", .text.escape_debug())]
pub struct RulesError {
    /// The text.
    pub text: String,
    /// The thing that was expected, with an example.
    pub expected: &'static str,
}

impl RulesError {
    pub(super) fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.into(),
            expected,
        }
    }
}

impl Amount {
    /// Returns the number of hosts out of `all`, with a part of a host as a whole one.
    pub fn rounded_up(self, all: usize) -> usize {
        match self {
            Self::Hosts(hosts) => hosts,
            Self::Percent(percent) => all.saturating_mul(percent.into()).div_ceil(100),
        }
    }

    /// Returns the number of hosts out of `all`, without a part of a host.
    pub fn rounded_down(self, all: usize) -> usize {
        match self {
            Self::Hosts(hosts) => hosts,
            Self::Percent(percent) => all.saturating_mul(percent.into()) / 100,
        }
    }
}

impl FromStr for Amount {
    type Err = RulesError;

    fn from_str(text: &str) -> Result<Self, RulesError> {
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let amount = match text.strip_suffix('%').map(str::trim_end) {
            Some(percent) => percent
                .parse()
                .ok()
                .filter(|number| is_number(percent) && *number <= 100)
                .map(Self::Percent),
            None => text
                .parse()
                .ok()
                .filter(|_| is_number(text))
                .map(Self::Hosts),
        };
        amount.ok_or_else(|| RulesError::new(text, "number of hosts, such as `3` or `10%`"))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosts(hosts) => hosts.fmt(f),
            Self::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_counts_and_percentages() {
        assert_eq!("3".parse(), Ok(Amount::Hosts(3)));
        assert_eq!("100%".parse(), Ok(Amount::Percent(100)));
        assert_eq!("0 %".parse(), Ok(Amount::Percent(0)));
        for text in ["", "%", "-1", "+1", "101%", "1.5%", "three", "1 0%"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }
}
