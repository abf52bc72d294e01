//! The terms of a call: its limits, what it may touch, whether it is deterministic, and whether
//! it is a preview.

pub(crate) mod grants;
pub(crate) mod limits;
pub mod questions;

use serde::{Deserialize, Serialize};

use self::{grants::Grants, limits::Limits};

/// Terms on which a call runs. They travel from the caller's options to the sandbox as one value,
/// so that code on the way need not know them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Resources that the call may use.
    #[serde(with = "unless_default")]
    pub limits: Limits,
    /// Things on the host that the call may touch.
    #[serde(with = "unless_default")]
    pub grants: Grants,
    /// Makes the call deterministic, if given: random numbers follow from this seed, so they are
    /// no secrets, and clocks begin at a fixed date and advance with each reading.
    pub seed: Option<u64>,
    /// Makes the call a preview: the agent refuses it if a grant lets it change anything.
    pub preview: bool,
}

/// Sends a value only if it is another one than the default: most calls have the usual terms.
mod unless_default {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Default + PartialEq + Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (*value != T::default())
            .then_some(value)
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or_default())
    }
}

impl Terms {
    /// Returns true if the call needs code compiled for a metered [`Target`](crate::Target), which
    /// counts its instructions: so that it does the same each time, or stops after a number of
    /// them.
    pub fn is_metered(&self) -> bool {
        self.limits.fuel.is_some() || self.seed.is_some()
    }
}

/// Terms with these limits, and otherwise the default ones.
impl From<Limits> for Terms {
    fn from(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }
}

/// Terms with these grants, and otherwise the default ones.
impl From<Grants> for Terms {
    fn from(grants: Grants) -> Self {
        Self {
            grants,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fuel_and_a_seed_need_code_that_counts() {
        let fuel = Limits {
            fuel: Some(1),
            ..Limits::default()
        };
        let seed = Terms {
            seed: Some(0),
            ..Terms::default()
        };
        assert!(!Terms::default().is_metered());
        assert!(!Terms::from(Grants::all()).is_metered());
        assert!(Terms::from(fuel).is_metered() && seed.is_metered());
    }
}
