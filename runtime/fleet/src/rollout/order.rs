//! The order in which a run takes its hosts, and random numbers that follow from a seed.

use std::str::FromStr;

use super::amount::RulesError;

/// The order in which a run takes its hosts.
///
/// ```
/// # use wxec_fleet::__docs as wxec;
/// use wxec::fleet::Order;
///
/// assert_eq!("shuffle:7".parse(), Ok(Order::Shuffled(7)));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The fleet's own order: that in which they were named, or the inventory's.
    #[default]
    Given,
    /// Shuffled, always in the same way for the same seed and number of hosts.
    Shuffled(u64),
}

impl Order {
    /// Returns the positions of `hosts` hosts in this order.
    pub(crate) fn of(self, hosts: usize) -> Vec<usize> {
        let mut order: Vec<_> = (0..hosts).collect();
        if let Self::Shuffled(seed) = self {
            let mut random = Random(seed);
            for last in (1..hosts).rev() {
                order.swap(last, random.below(last + 1));
            }
        }
        order
    }
}

impl FromStr for Order {
    type Err = RulesError;

    fn from_str(text: &str) -> Result<Self, RulesError> {
        let seed = |text: &str| text.strip_prefix("shuffle:")?.parse().ok();
        match text {
            "inventory" => Ok(Self::Given),
            _ => seed(text)
                .map(Self::Shuffled)
                .ok_or_else(|| RulesError::new(text, "order: `inventory`, or `shuffle:7`")),
        }
    }
}

/// SplitMix64. A library's generator might give another order for the same seed in its next
/// version, and a recorded seed must keep its meaning.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_keeps_its_meaning() {
        assert_eq!(Order::Given.of(3), [0, 1, 2]);
        assert_eq!(Order::Shuffled(7).of(8), [1, 4, 5, 2, 6, 0, 3, 7]);
        for hosts in 0..40 {
            let mut order = Order::Shuffled(1).of(hosts);
            order.sort_unstable();
            assert_eq!(order, Order::Given.of(hosts));
        }
    }

    #[test]
    fn orders_have_names() {
        assert_eq!("inventory".parse(), Ok(Order::Given));
        for text in ["", "shuffle", "shuffle:", "shuffle:x", "random"] {
            assert!(text.parse::<Order>().is_err(), "{text}");
        }
    }
}
