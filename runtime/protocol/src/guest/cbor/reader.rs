//! Walks over CBOR.

use std::ops::Range;

use super::{
    error::DecodeError,
    form::{MAX_DEPTH, MAX_WRAPS},
};

/// Walks over well-formed CBOR without building anything.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn item(&mut self) -> Result<Range<usize>, DecodeError> {
        let start = self.at;
        self.skip(0)?;
        Ok(start..self.at)
    }

    /// Skips an item that stands inside `depth` others.
    pub(super) fn skip(&mut self, depth: usize) -> Result<(), DecodeError> {
        let (mut start, mut head) = (self.at, self.head()?);
        let mut tags = 0;
        while let (6, Some(_)) = head {
            tags += 1;
            if tags > MAX_WRAPS {
                return Err(DecodeError::TooDeep);
            }
            (start, head) = (self.at, self.head()?);
        }
        let (major, value) = head;
        if matches!(major, 4 | 5) && depth >= MAX_DEPTH {
            return Err(DecodeError::TooDeep);
        }
        match (major, value) {
            (0 | 1, Some(_)) | (7, Some(_)) => Ok(()),
            (2 | 3, Some(length)) => {
                let length = usize::try_from(length).map_err(|_| DecodeError::Malformed(start))?;
                self.take(length).map(drop)
            }
            (4, Some(count)) => (0..count).try_for_each(|_| self.skip(depth + 1)),
            (5, Some(count)) => (0..count).try_for_each(|_| {
                self.skip(depth + 1)?;
                self.skip(depth + 1)
            }),
            (2 | 3, None) => loop {
                match self.head()? {
                    (found, Some(length)) if found == major => {
                        let length =
                            usize::try_from(length).map_err(|_| DecodeError::Malformed(start))?;
                        self.take(length)?;
                    }
                    (7, None) => break Ok(()),
                    _ => break Err(DecodeError::Malformed(start)),
                }
            },
            (4 | 5, None) => {
                while self.bytes.get(self.at) != Some(&0xff) {
                    self.skip(depth + 1)?;
                }
                self.take(1).map(drop)
            }
            _ => Err(DecodeError::Malformed(start)),
        }
    }

    /// Returns the major type and the argument of the next item; `None` if its length is
    /// indefinite.
    #[inline]
    pub(super) fn head(&mut self) -> Result<(u8, Option<u64>), DecodeError> {
        let start = self.at;
        let [first] = self.take_array()?;
        let value = match first & 0x1f {
            value @ 0..24 => value.into(),
            24 => u8::from_be_bytes(self.take_array()?).into(),
            25 => u16::from_be_bytes(self.take_array()?).into(),
            26 => u32::from_be_bytes(self.take_array()?).into(),
            27 => u64::from_be_bytes(self.take_array()?),
            31 => return Ok((first >> 5, None)),
            _ => return Err(DecodeError::Malformed(start)),
        };
        Ok((first >> 5, Some(value)))
    }

    #[inline]
    pub(super) fn take_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.first_chunk().ok_or(DecodeError::Malformed(self.at))?;
        self.at += N;
        Ok(*taken)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(DecodeError::Malformed(self.at))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
}
