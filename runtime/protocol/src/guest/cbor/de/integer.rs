//! Whole numbers of up to 128 bits.

use serde::de::{Expected, Visitor};

use super::{
    error::{Error, Result},
    input::{BYTES, Deserializer, NEGATIVE, TAG, UNSIGNED},
};

/// A whole number.
pub(super) enum Integer {
    Positive(u128),
    Negative(i128),
}

impl<'de> Deserializer<'de> {
    /// Reads a whole number.
    pub(super) fn integer(&mut self, expected: &dyn Expected) -> Result<Integer> {
        self.as_json()?;
        loop {
            let head = self.head()?;
            return Ok(match (head.major, head.value) {
                (UNSIGNED, Some(value)) => Integer::Positive(value.into()),
                (NEGATIVE, Some(value)) => Integer::Negative(!i128::from(value)),
                (TAG, Some(2)) => Integer::Positive(self.magnitude(expected)?),
                (TAG, Some(3)) => {
                    let magnitude = self.magnitude(expected)?;
                    Integer::Negative(!i128::try_from(magnitude).map_err(|_| too_large())?)
                }
                (TAG, Some(_)) => continue,
                _ => return Err(self.unexpected(head, expected)),
            });
        }
    }

    /// Reads the bytes of a large number.
    fn magnitude(&mut self, expected: &dyn Expected) -> Result<u128> {
        let head = self.head()?;
        if head.major != BYTES {
            return Err(self.unexpected(head, expected));
        }
        magnitude(&self.string_of(head)?).ok_or_else(too_large)
    }

    /// Visits a whole number in the smallest type that holds it.
    pub(super) fn visit_integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        // Nearly all numbers take this path.
        let start = self.reader.at;
        if let (UNSIGNED, Some(value)) = self.reader.head()? {
            return visitor.visit_u64(value);
        }
        self.reader.at = start;
        match self.integer(&visitor)? {
            Integer::Positive(value) => match u64::try_from(value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_u128(value),
            },
            Integer::Negative(value) => match i64::try_from(value) {
                Ok(value) => visitor.visit_i64(value),
                Err(_) => visitor.visit_i128(value),
            },
        }
    }
}

/// Returns the number in big-endian bytes, if it has at most 128 bits.
fn magnitude(bytes: &[u8]) -> Option<u128> {
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    (significant.len() <= 16).then(|| {
        significant
            .iter()
            .fold(0, |number, byte| number << 8 | u128::from(*byte))
    })
}

fn too_large() -> Error {
    Error::of_words("a number of more than 128 bits")
}
