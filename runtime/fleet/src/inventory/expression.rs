//! Targets as they are written: a list of parts.
//!
//! ```text
//! target = part ("," part)*          each part adds its hosts; `!word` alone takes them from all
//! part   = factor ("&" factor)*      hosts that all factors have
//! factor = ["!"] word                `!` is what the word has not
//! word   = "@" group | "@role:" role | address | name with ranges and globs
//! ```

use wxec_controller::Hop;

use super::{
    brackets::split_outside_brackets,
    error::TargetError,
    pattern::{MAX_NAMES, expand},
};

/// Limit for the length of a target: all names that it may have, at the length of most of them.
const MAX_BYTES: usize = 1 << 20;

/// The name of the group of all hosts.
pub(super) const ALL: &str = "all";

/// A target: its parts, of which there is at least one.
#[derive(Debug, PartialEq)]
pub(super) struct Expression {
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Part {
    /// Adds the hosts that all factors have, at least one of which is not negated.
    Add(Vec<Factor>),
    /// Takes the hosts of a word from those of all other parts, wherever it stands.
    Remove(Word),
}

#[derive(Debug, PartialEq)]
pub(super) struct Factor {
    pub(super) is_negated: bool,
    pub(super) word: Word,
}

#[derive(Debug, PartialEq)]
pub(super) struct Word {
    /// The word as it was written.
    pub(super) text: String,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Group(String),
    Role(String),
    /// Names, each of which may be a glob.
    Names(Vec<String>),
    Address,
}

impl Expression {
    pub(super) fn parse(target: &str) -> Result<Self, TargetError> {
        if target.len() > MAX_BYTES {
            return Err(TargetError::TooLong { limit: MAX_BYTES });
        }
        let mut left = MAX_NAMES;
        let parts = split_outside_brackets(target, ',').map(|text| part(text, &mut left));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        if parts.iter().all(|part| matches!(part, Part::Remove(_))) {
            let reason = format!(
                "there is nothing to take it from; write `@all,{}`",
                target.trim()
            );
            return Err(refused(target, reason));
        }
        Ok(Self { parts })
    }
}

/// Returns true if `target` may mean something else with another inventory: all but whole addresses
/// such as `local:` and `ssh:web1` may, and targets that cannot be read.
///
/// ```
/// # use wxec_fleet::__docs as wxec;
/// use wxec::inventory::needs_inventory;
///
/// assert!(needs_inventory("local:,web1"));
/// assert!(!needs_inventory("local:,ssh:web1/sudo:app"));
/// ```
pub fn needs_inventory(target: &str) -> bool {
    let is_whole = |word: &Word| {
        let scheme = word.text.split_once(':').map(|(scheme, _)| scheme);
        word.kind == Kind::Address
            && scheme.is_some_and(|own| Hop::schemes().any(|known| known == own))
    };
    let Ok(expression) = Expression::parse(target) else {
        return true;
    };
    !expression.parts.iter().all(|part| match part {
        Part::Add(factors) => factors.iter().all(|factor| is_whole(&factor.word)),
        Part::Remove(word) => is_whole(word),
    })
}

/// Reads a part, which may have as many names as are `left` for the target.
fn part(text: &str, left: &mut usize) -> Result<Part, TargetError> {
    let mut factors = split_outside_brackets(text, '&')
        .map(|text| factor(text, left))
        .collect::<Result<Vec<_>, _>>()?;
    if factors.iter().any(|factor| !factor.is_negated) {
        return Ok(Part::Add(factors));
    }
    match (factors.pop(), &*factors) {
        (Some(factor), []) => Ok(Part::Remove(factor.word)),
        _ => Err(refused(
            text,
            "it only takes away; put commas between such parts",
        )),
    }
}

fn factor(text: &str, left: &mut usize) -> Result<Factor, TargetError> {
    let (is_negated, text) = match text.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    Ok(Factor {
        is_negated,
        word: word(text, left)?,
    })
}

fn word(text: &str, left: &mut usize) -> Result<Word, TargetError> {
    let kind = match text.strip_prefix('@') {
        _ if text.is_empty() => return Err(TargetError::Missing),
        Some(name) => match name.strip_prefix("role:") {
            Some(role) => Kind::Role(role.into()),
            None => Kind::Group(name.into()),
        },
        // Names have none of these, and addresses that are more than a name have one of them.
        None if text.contains([':', '/', '@']) => Kind::Address,
        None => Kind::Names(expand(text).map_err(|reason| refused(text, reason))?),
    };
    let names = match &kind {
        Kind::Names(names) => names.len(),
        _ => 1,
    };
    let too_many = TargetError::TooManyNames { limit: MAX_NAMES };
    *left = left.checked_sub(names).ok_or(too_many)?;
    let text = text.to_owned();
    Ok(Word { text, kind })
}

fn refused(part: &str, reason: impl Into<String>) -> TargetError {
    TargetError::Part {
        part: part.into(),
        reason: reason.into(),
    }
}
