//! A filter for the table in which unwinding finds functions (`.eh_frame_hdr`): two columns of
//! numbers, of which the first grows. Differences from row to row repeat themselves, where numbers
//! do not.

/// First bytes of the program header that names the table.
const TYPE: [u8; 4] = 0x6474_E550_u32.to_le_bytes();

/// Length of a program header.
const HEADER_BYTES: usize = 56;

/// Version, encodings, a pointer and the number of rows come before the rows.
const HEAD_BYTES: usize = 12;

/// Length of a row: two numbers of 32 bits.
const ROW_BYTES: usize = 8;

/// Direction of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToDifferences,
    ToNumbers,
}

/// The table of an image, which is turned part by part, in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Table {
    /// Place of the rows in the image.
    start: usize,
    end: usize,
    /// The row before, as numbers.
    row: [u8; ROW_BYTES],
    /// Carried from byte to byte within a number.
    carry: u8,
}

impl Table {
    /// Finds the table of an image in whose `beginning` the program headers are. There may be none.
    pub fn find(beginning: &[u8]) -> Self {
        Self::named(beginning).unwrap_or_default()
    }

    fn named(beginning: &[u8]) -> Option<Self> {
        let first = usize::try_from(number(beginning, 32)?).ok()?;
        let count = u16::from_le_bytes(*beginning.get(56..)?.first_chunk()?);
        let headers = beginning.get(first..)?.chunks_exact(HEADER_BYTES);
        let mut headers = headers.take(count.into());
        let header = headers.find(|header| header.starts_with(&TYPE))?;
        let [start, length] = [number(header, 8)?, number(header, 32)?];
        let start = usize::try_from(start).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        Some(Self {
            start: start.checked_add(HEAD_BYTES)?,
            end,
            ..Self::default()
        })
    }

    /// Turns numbers into differences, in a whole image.
    pub fn to_differences(mut self, image: &mut [u8]) {
        self.turn(image, 0, Direction::ToDifferences);
    }

    /// Turns differences into numbers, in the part of an image that begins at `at`.
    pub fn to_numbers(&mut self, bytes: &mut [u8], at: usize) {
        self.turn(bytes, at, Direction::ToNumbers);
    }

    fn turn(&mut self, bytes: &mut [u8], at: usize, direction: Direction) {
        let from = self.start.saturating_sub(at).min(bytes.len());
        let to = self.end.saturating_sub(at).min(bytes.len());
        let Some(rows) = bytes.get_mut(from..to) else {
            return;
        };
        for (index, byte) in rows.iter_mut().enumerate() {
            let column = (at + from + index - self.start) % ROW_BYTES;
            if column % 4 == 0 {
                self.carry = 0;
            }
            self.turn_byte(byte, column, direction);
        }
    }

    fn turn_byte(&mut self, byte: &mut u8, column: usize, direction: Direction) {
        let before = self.row[column];
        let (number, carry) = match direction {
            Direction::ToDifferences => {
                let number = *byte;
                let (less, first) = number.overflowing_sub(before);
                let (less, second) = less.overflowing_sub(self.carry);
                *byte = less;
                (number, first || second)
            }
            Direction::ToNumbers => {
                let (more, first) = byte.overflowing_add(before);
                let (more, second) = more.overflowing_add(self.carry);
                *byte = more;
                (more, first || second)
            }
        };
        self.row[column] = number;
        self.carry = carry.into();
    }
}

/// Reads a number of 64 bits at `at`.
fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    /// Returns an image of `length` bytes with a table at `start`.
    fn image(start: usize, rows: &[[u32; 2]]) -> Vec<u8> {
        let mut image = vec![0; start];
        image[32] = 64;
        image[56] = 2;
        let header = 64 + HEADER_BYTES;
        image[header..header + 4].copy_from_slice(&TYPE);
        image[header + 8..header + 16].copy_from_slice(&(start as u64).to_le_bytes());
        let bytes = HEAD_BYTES + rows.len() * ROW_BYTES;
        image[header + 32..header + 40].copy_from_slice(&(bytes as u64).to_le_bytes());
        image.extend([1; HEAD_BYTES]);
        image.extend(rows.as_flattened().iter().flat_map(|it| it.to_le_bytes()));
        image.extend([3; 100]);
        image
    }

    #[test]
    fn rows_become_differences_and_nothing_else_changes() {
        let mut turned = image(300, &[[1000, 7], [1300, 57], [1200, 0xFFFF_FFFF]]);
        let same = turned.len();
        Table::find(&turned).to_differences(&mut turned);
        let minus = |less: u32| 0_u32.wrapping_sub(less);
        let expected = image(300, &[[1000, 7], [300, 50], [minus(100), minus(58)]]);
        assert_eq!((turned.len(), turned), (same, expected));
    }

    #[test]
    fn an_image_may_have_no_table() {
        let lies = image(300, &[[1, 2]]);
        for (index, byte) in [
            (32, 0xFF),
            (39, 0xFF),
            (57, 0xFF),
            (64 + 56, 0),
            (64 + 56 + 39, 0xFF),
        ] {
            let mut image = lies.clone();
            image[index] = byte;
            let before = image.clone();
            Table::find(&image).to_differences(&mut image);
            assert_eq!(image.len(), before.len(), "{index}");
        }
        for length in 0..200 {
            assert_eq!(Table::find(&vec![0; length]), Table::default());
        }
        assert_eq!(Table::find(&[0xFF; 300]), Table::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_turned_is_turned_back(
            rows: Vec<[u32; 2]>,
            parts in prop::collection::vec(1..400_usize, 1..50),
        ) {
            let plain = image(250, &rows);
            let mut turned = plain.clone();
            let mut table = Table::find(&plain);
            table.to_differences(&mut turned);
            let (mut at, mut parts) = (0, parts.into_iter().cycle());
            while at < turned.len() {
                let end = (at + parts.next().unwrap_or(1)).min(turned.len());
                table.to_numbers(&mut turned[at..end], at);
                at = end;
            }
            prop_assert_eq!(turned, plain);
        }
    }
}
