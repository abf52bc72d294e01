//! A filter for what unwinding reads: the frames of functions (`.eh_frame`), and the table in which
//! they are found (`.eh_frame_hdr`). Numbers of frames are distances from where they stand, or grow
//! from one to the next; differences from the number before repeat themselves. A row of the table says
//! again what its frame says of the function, and mostly names the frame behind that of the row before.
//!
//! Both directions look only at bytes that they do not change, or have changed back by then. So they
//! find the same numbers.

/// Length of a program header.
const HEADER_BYTES: usize = 56;
/// Length of the ELF header, and of as many program headers as a program has.
pub const HEADERS_BYTES: usize = 64 + 16 * HEADER_BYTES;

/// Types of program headers.
const LOAD: u32 = 1;
const TABLE: u32 = 0x6474_E550;

/// Version and encodings of a table that is read here: distances and numbers of 32 bits.
const ENCODINGS: [u8; 4] = [0x01, 0x1B, 0x03, 0x3B];
/// Length of what comes before the table's rows: these, a pointer to the frames, and the number of
/// rows.
const HEAD_BYTES: usize = 12;

/// Direction of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToDifferences,
    ToNumbers,
}

/// Returns the number of bytes at an image's beginning in which the frames and their table are; 0 if
/// there are none. [`HEADERS_BYTES`] of the image suffice.
pub fn segment_bytes(image: &[u8]) -> usize {
    find(image).map_or(0, |(segment, _)| segment)
}

/// Turns numbers into differences, in an image.
pub fn to_differences(image: &mut [u8]) {
    turn(image, Direction::ToDifferences);
}

/// Turns differences into numbers, in an image of which at least the segment is at hand.
pub fn to_numbers(image: &mut [u8]) {
    turn(image, Direction::ToNumbers);
}

/// Returns the length of the segment at the image's beginning, and where the table is in it.
fn find(image: &[u8]) -> Option<(usize, usize)> {
    let image = &image[..image.len().min(HEADERS_BYTES)];
    let first = number(image, 32)? as usize;
    let count = number(image, 56)? as u16;
    let headers = || {
        let headers = image.get(first..).unwrap_or_default();
        headers.chunks_exact(HEADER_BYTES).take(count.into())
    };
    let of = |kind: u32| headers().find(|header| number(header, 0) == Some(kind));
    let (load, table) = (of(LOAD)?, of(TABLE)?);
    let (start, segment, table) = (number(load, 8)?, number(load, 32)?, number(table, 8)?);
    (start == 0 && table < segment).then_some((segment as usize, table as usize))
}

fn turn(image: &mut [u8], direction: Direction) {
    let Some((segment, table)) = find(image) else {
        return;
    };
    let Some(segment) = image.get_mut(..segment) else {
        return;
    };
    if segment[table..].starts_with(&ENCODINGS) {
        // A number that lies outside ends either, in both directions at the same place. Rows are
        // turned while frames are as they were.
        if direction == Direction::ToDifferences {
            let _ = turn_rows(segment, table, direction);
            let _ = turn_frames(segment, table, direction);
        } else {
            let _ = turn_frames(segment, table, direction);
            let _ = turn_rows(segment, table, direction);
        }
    }
}

/// Turns the rows of the table: a function and its frame, as distances from the table.
fn turn_rows(segment: &mut [u8], table: usize, direction: Direction) -> Option<()> {
    let rows = number(segment, table + 8)? as usize;
    let end = rows.checked_mul(8)?.checked_add(table + HEAD_BYTES)?;
    let mut next = 0;
    for row in 0..rows {
        let at = table + HEAD_BYTES + 8 * row;
        let frame = turn_number(segment, at + 4, table, next, direction)?;
        let function;
        (function, next) = read_frame(segment, end, frame).unwrap_or_default();
        turn_number(segment, at, table, function, direction)?;
    }
    Some(())
}

/// Returns the function of a frame, and the place behind the frame. Reads nothing before `start`, where
/// rows may stand that are turned.
fn read_frame(segment: &[u8], start: usize, frame: u32) -> Option<(u32, u32)> {
    let at = frame as usize;
    if at < start {
        return None;
    }
    let (length, distance) = (number(segment, at)?, number(segment, at + 8)?);
    let function = frame.wrapping_add(8).wrapping_add(distance);
    Some((function, frame.wrapping_add(4).wrapping_add(length)))
}

/// Turns the frames. Each has its length, the distance back to what it has in common with others, the
/// distance to its function and the length of that. Behind the length of what follows there may be
/// the distance to what the function has for panics.
fn turn_frames(segment: &mut [u8], table: usize, direction: Direction) -> Option<()> {
    let pointer = table + 4;
    let mut at = pointer.wrapping_add_signed(number(segment, pointer)?.cast_signed() as isize);
    let (mut function_end, mut panics) = (0, 0);
    loop {
        let length = number(segment, at)? as usize;
        let end = at.checked_add(4)?.checked_add(length)?;
        if length == 0 || end > segment.len() {
            return None;
        }
        if length >= 13 && turn_common(segment, at + 4)? {
            let function = turn_number(segment, at + 8, at + 8, function_end, direction)?;
            function_end = function.wrapping_add(number(segment, at + 12)?);
            if length >= 17 && segment[at + 16] >= 4 {
                panics = turn_number(segment, at + 17, at + 17, panics, direction)?;
            }
        }
        at = end;
    }
}

/// Turns the distance back from `at` into the place that it leads to, or that into the distance, which
/// is the same. Returns false if there is 0: then this is what others have in common.
fn turn_common(segment: &mut [u8], at: usize) -> Option<bool> {
    let found = number(segment, at)?;
    let turned = (at as u32).wrapping_sub(found);
    if found == 0 || turned == 0 {
        return (turned != 0).then_some(false);
    }
    write(segment, at, turned);
    Some(true)
}

/// Turns the number at `at`, which counts from `from`, into its difference from the place `before`, or
/// back. Returns the place that it leads to.
fn turn_number(
    segment: &mut [u8],
    at: usize,
    from: usize,
    before: u32,
    direction: Direction,
) -> Option<u32> {
    let (found, from) = (number(segment, at)?, from as u32);
    let (turned, place) = match direction {
        Direction::ToDifferences => {
            let place = found.wrapping_add(from);
            (place.wrapping_sub(before), place)
        }
        Direction::ToNumbers => {
            let place = found.wrapping_add(before);
            (place.wrapping_sub(from), place)
        }
    };
    write(segment, at, turned);
    Some(place)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn write(segment: &mut [u8], at: usize, number: u32) {
    segment[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    const TABLE_AT: usize = 300;

    /// A function's place and length, and what it has for panics.
    type Function = (u32, u32, Option<u32>);

    fn put(image: &mut Vec<u8>, number: usize) {
        image.extend((number as u32).to_le_bytes());
    }

    /// Returns an image with `functions`.
    fn image(functions: &[Function]) -> Vec<u8> {
        let mut image = vec![0; TABLE_AT];
        let frames = TABLE_AT + HEAD_BYTES + 8 * functions.len();
        image.extend(ENCODINGS);
        put(&mut image, frames - TABLE_AT - 4);
        put(&mut image, functions.len());
        for (index, (at, ..)) in functions.iter().enumerate() {
            put(&mut image, (*at as usize).wrapping_sub(TABLE_AT));
            put(&mut image, frames + 20 + 28 * index - TABLE_AT);
        }
        put(&mut image, 16);
        image.extend([0; 16]);
        for (at, length, panics) in functions {
            put(&mut image, 24);
            let here = image.len();
            put(&mut image, here - frames);
            put(&mut image, (*at as usize).wrapping_sub(here + 4));
            put(&mut image, *length as usize);
            image.push(if panics.is_some() { 4 } else { 0 });
            put(
                &mut image,
                (panics.unwrap_or(7) as usize).wrapping_sub(here + 13),
            );
            image.extend([0x41; 7]);
        }
        image.extend([0; 4]);
        let segment = image.len();
        image[32] = 64;
        image[56] = 2;
        image[64..68].copy_from_slice(&LOAD.to_le_bytes());
        image[96..100].copy_from_slice(&(segment as u32).to_le_bytes());
        image[120..124].copy_from_slice(&TABLE.to_le_bytes());
        image[128..132].copy_from_slice(&(TABLE_AT as u32).to_le_bytes());
        image.extend([3; 100]);
        image
    }

    #[test]
    fn functions_become_differences() {
        let plain = image(&[
            (5000, 100, Some(900)),
            (5104, 40, Some(920)),
            (5144, 8, None),
        ]);
        let segment = segment_bytes(&plain);
        assert_eq!(segment, plain.len() - 100);
        assert_eq!(
            segment_bytes(&plain[..HEADERS_BYTES.min(plain.len())]),
            segment
        );

        let mut turned = plain.clone();
        to_differences(&mut turned);

        let numbers = |at: usize, count: usize| -> Vec<u32> {
            (0..count)
                .filter_map(|index| number(&turned, at + 4 * index))
                .collect()
        };
        let frames = TABLE_AT + HEAD_BYTES + 24;
        let first = frames as u32 + 20;
        assert_eq!(numbers(TABLE_AT + HEAD_BYTES, 6), [0, first, 0, 0, 0, 0]);
        let common = frames as u32;
        assert_eq!(numbers(frames + 20, 4), [24, common, 5000, 100]);
        assert_eq!(numbers(frames + 48, 4), [24, common, 4, 40]);
        assert_eq!(numbers(frames + 76, 4), [24, common, 0, 8]);
        assert_eq!(number(&turned, frames + 48 + 17), Some(20));
        assert_eq!(turned[segment..], plain[segment..]);
        to_numbers(&mut turned[..segment]);
        assert_eq!(turned, plain);
    }

    #[test]
    fn an_image_may_have_no_frames() {
        let plain = image(&[(5000, 100, None)]);
        let frames = TABLE_AT + HEAD_BYTES + 8;
        for at in [
            32,
            56,
            64,
            72,
            96,
            120,
            130,
            TABLE_AT,
            TABLE_AT + 7,
            TABLE_AT + 10,
            frames + 3,
        ] {
            let mut other = plain.clone();
            other[at] ^= 0x55;
            let before = other.clone();
            to_differences(&mut other);
            to_numbers(&mut other);
            assert!(other == before, "{at}");
        }
        for length in 0..plain.len() {
            let mut cut = plain[..length].to_vec();
            to_differences(&mut cut);
            to_numbers(&mut cut);
            assert!(cut == plain[..length], "{length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_turned_is_turned_back(
            functions: Vec<Function>,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let mut plain = image(&functions);
            // Behind the table, anything may be there.
            let frames = TABLE_AT + HEAD_BYTES + 8 * functions.len();
            for (index, byte) in changes {
                let index = frames + index.index(plain.len() - frames);
                plain[index] = byte;
            }
            let mut turned = plain.clone();
            to_differences(&mut turned);
            to_numbers(&mut turned);
            prop_assert!(turned == plain);
        }
    }
}
