//! Names of many hosts in few words: `web[1-12],db`, as a target expression reads them.

use std::collections::{BTreeMap, BTreeSet};

/// Longest number that is part of a range. Longer ones are digests and dates.
const MAX_DIGITS: usize = 9;

/// Returns `names` with numbered ones as ranges: `web1`, `web2`, `web3` and `db` are `web[1-3],db`.
/// Each name comes once, at the place of the first that shares its range.
///
/// ```
/// # use wxec_fleet::__docs as wxec;
/// use wxec::fleet::fold_names;
///
/// assert_eq!(fold_names(["web3", "db", "web1", "web2", "web9"]), "web[1-3,9],db");
/// assert_eq!(fold_names(["n08", "n09", "n10"]), "n[08-10]");
/// ```
pub fn fold_names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(Numbered::read).collect();
    let padded: BTreeSet<_> = names.iter().filter_map(Numbered::padded).collect();
    let mut places = BTreeMap::new();
    let mut all: Vec<Series<'_>> = Vec::new();
    for name in names {
        let width = name.digits.len();
        let is_padded = padded.contains(&(name.before, name.after, width));
        let width = if is_padded { width } else { 0 };
        let key = (name.before, name.digits.is_empty(), name.after, width);
        let place = *places.entry(key).or_insert(all.len());
        if place == all.len() {
            all.push(Series::new(name, width));
        }
        all[place].numbers.extend(name.digits.parse::<u32>());
    }
    let folded: Vec<_> = all.iter().map(Series::text).collect();
    folded.join(",")
}

/// A name around its last number. A name without one has no `digits`, and all of it is `before`.
#[derive(Clone, Copy)]
struct Numbered<'a> {
    before: &'a str,
    digits: &'a str,
    after: &'a str,
}

impl<'a> Numbered<'a> {
    fn read(name: &'a str) -> Self {
        let whole = Self {
            before: name,
            digits: "",
            after: "",
        };
        let Some(last) = name.rfind(|c: char| c.is_ascii_digit()) else {
            return whole;
        };
        let (head, after) = name.split_at(last + 1);
        let before = head.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &head[before.len()..];
        // In an address, brackets and commas have a meaning of their own.
        if digits.len() > MAX_DIGITS || name.contains(['[', ']', ',', ':', '/', '@']) {
            return whole;
        }
        Self {
            before,
            digits,
            after,
        }
    }

    /// Returns the names that share this one's width, if its number begins with a zero.
    fn padded(&self) -> Option<(&'a str, &'a str, usize)> {
        let is_padded = self.digits.len() > 1 && self.digits.starts_with('0');
        is_padded.then_some((self.before, self.after, self.digits.len()))
    }
}

/// Names that differ in their number alone.
struct Series<'a> {
    name: Numbered<'a>,
    /// Digits of every number, zeros included; 0 if the numbers have no zeros before them.
    width: usize,
    numbers: BTreeSet<u32>,
}

impl<'a> Series<'a> {
    fn new(name: Numbered<'a>, width: usize) -> Self {
        Self {
            name,
            width,
            numbers: BTreeSet::new(),
        }
    }

    fn text(&self) -> String {
        let Numbered {
            before,
            digits,
            after,
        } = self.name;
        match self.numbers.len() {
            0 | 1 => format!("{before}{digits}{after}"),
            _ => format!("{before}[{}]{after}", self.ranges()),
        }
    }

    fn ranges(&self) -> String {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for number in &self.numbers {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *number => *last = *number,
                _ => ranges.push((*number, *number)),
            }
        }
        let width = self.width;
        let texts: Vec<_> = ranges
            .into_iter()
            .map(|(first, last)| {
                if first == last {
                    format!("{first:0width$}")
                } else {
                    format!("{first:0width$}-{last:0width$}")
                }
            })
            .collect();
        texts.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_ranges_and_other_names_stay() {
        for (names, folded) in [
            (&["web1"][..], "web1"),
            (&["web1", "web1"], "web1"),
            (&["web1", "web2"], "web[1-2]"),
            (&["web2", "web10", "web1"], "web[1-2,10]"),
            (&["a1.eu", "a2.eu", "a1.us", "db"], "a[1-2].eu,a1.us,db"),
            (&["n09", "n10", "n9"], "n[09-10],n9"),
            (&["n007", "n08", "n9"], "n007,n08,n9"),
            (&["b[1]", "b[2]"], "b[1],b[2]"),
            (&["web", "web1", "web2"], "web,web[1-2]"),
            (&["root@web1", "root@web2"], "root@web1,root@web2"),
            (&["web1/sudo:", "web2/sudo:"], "web1/sudo:,web2/sudo:"),
            (&["é1", "é2"], "é[1-2]"),
            (
                &["20261128072000", "20261128072001"],
                "20261128072000,20261128072001",
            ),
        ] {
            assert_eq!(fold_names(names.iter().copied()), folded);
        }
    }
}
