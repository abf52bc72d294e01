//! Sizes of batches.

use std::str::FromStr;

use super::amount::{Amount, RulesError};

/// Sizes of the batches in which a run takes its hosts: `1,10%,rest` is one host, then a tenth of
/// all, then all others. A batch begins when all hosts of the one before have ended.
///
/// Percentages are of all hosts of the run, rounded up. The last size repeats until all hosts have
/// their batch.
///
/// ```
/// # use wxec_fleet::__docs as wxec;
/// use wxec::fleet::Batches;
///
/// let batches: Batches = "1,10%".parse()?;
/// assert_eq!(batches.sizes(12), [1, 2, 2, 2, 2, 2, 1]);
/// # Ok::<(), wxec::fleet::RulesError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batches {
    /// `None` stands for all hosts that are left. Never empty.
    sizes: Vec<Option<Amount>>,
}

impl Batches {
    /// Returns the size of each batch of a run on `hosts` hosts.
    pub fn sizes(&self, hosts: usize) -> Vec<usize> {
        let last = self.sizes.last();
        let mut given = self.sizes.iter().chain(last.into_iter().cycle());
        let (mut sizes, mut left) = (Vec::new(), hosts);
        while left > 0 {
            let size = match given.next() {
                Some(Some(amount)) => amount.rounded_up(hosts).clamp(1, left),
                _ => left,
            };
            sizes.push(size);
            left -= size;
        }
        sizes
    }

    /// Returns how many sizes were written.
    pub(super) fn written(&self) -> usize {
        self.sizes.len()
    }
}

impl FromStr for Batches {
    type Err = RulesError;

    fn from_str(text: &str) -> Result<Self, RulesError> {
        let error = || RulesError::new(text, "list of batches, such as `1,10%,rest`");
        let size = |word: &str| match word.trim() {
            "rest" => Ok(None),
            word => match word.parse() {
                Ok(Amount::Hosts(0) | Amount::Percent(0)) | Err(_) => Err(error()),
                Ok(amount) => Ok(Some(amount)),
            },
        };
        let sizes: Vec<_> = text.split(',').map(size).collect::<Result<_, _>>()?;
        // Nothing can follow the rest.
        if sizes.iter().rev().skip(1).any(Option::is_none) {
            return Err(error());
        }
        Ok(Self { sizes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_size_repeats() {
        for (text, hosts, sizes) in [
            ("1,10%,rest", 37, &[1, 4, 32][..]),
            ("1,10%", 37, &[1, 4, 4, 4, 4, 4, 4, 4, 4, 4]),
            ("5", 12, &[5, 5, 2]),
            ("100%", 3, &[3]),
            ("1%", 3, &[1, 1, 1]),
            ("2,rest", 2, &[2]),
            ("7,3", 2, &[2]),
            ("rest", 0, &[]),
        ] {
            assert_eq!(
                text.parse::<Batches>().unwrap().sizes(hosts),
                sizes,
                "{text}"
            );
        }
    }

    #[test]
    fn batches_are_never_empty_and_end_with_the_rest() {
        for text in ["", "0", "1,0%", "1,,2", "rest,1", "all", "-1"] {
            assert_eq!(
                text.parse::<Batches>().unwrap_err().to_string(),
                format!("`{text}` is no list of batches, such as `1,10%,rest`")
            );
        }
    }
}
