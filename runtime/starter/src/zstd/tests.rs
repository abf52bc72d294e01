//! Frames of the zstd library, and frames that were damaged.

use std::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;

/// Decodes a whole frame of `length` bytes.
fn decode(frame: &[u8], length: usize) -> Result<Vec<u8>, Damaged> {
    let first = *frame.first_chunk().ok_or(Damaged)?;
    let mut rest = frame.get(5 + frame_header_rest(first)?..).ok_or(Damaged)?;
    let (mut output, mut at, mut decoder) = (vec![0; length + SLACK_BYTES], 0, Decoder::default());
    loop {
        let (header, blocks) = rest.split_first_chunk().ok_or(Damaged)?;
        let header = BlockHeader::read(*header)?;
        let (block, blocks) = blocks.split_at_checked(header.bytes).ok_or(Damaged)?;
        at = decoder.decode(header, block, &mut output, at)?;
        rest = blocks;
        if header.is_last {
            assert!(at <= length, "the slack is not for output");
            output.truncate(at);
            return if rest.is_empty() {
                Ok(output)
            } else {
                Err(Damaged)
            };
        }
    }
}

fn compress(bytes: &[u8], level: i32) -> Vec<u8> {
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    zstd_safe::compress(&mut frame, bytes, level).expect("there is room");
    frame
}

/// Returns bytes in which every kind of block, length and offset occurs.
fn varied(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let mut bytes: Vec<u8> = Vec::new();
    while bytes.len() < length {
        let run = 1 + next() % (1 << (next() % 18));
        match next() % 4 {
            0 => bytes.extend((0..run).map(|_| next() as u8)),
            1 => bytes.extend((0..run).map(|_| (next() % (1 + next() % 40)) as u8)),
            2 => bytes.extend(std::iter::repeat_n(next() as u8, run)),
            _ if bytes.is_empty() => {}
            _ => {
                let offset = 1 + next() % bytes.len().min(1 << (next() % 20));
                for _ in 0..run {
                    bytes.push(bytes[bytes.len() - offset]);
                }
            }
        }
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn what_the_library_packs_is_unpacked() {
    let lengths = [
        0, 1, 2, 7, 100, 255, 256, 1000, 65_000, 70_000, 300_000, 2_000_000,
    ];
    for (seed, length) in lengths.into_iter().enumerate() {
        let bytes = varied(seed as u64 + 1, length);
        for level in [1, 3, 9, 19] {
            assert!(
                decode(&compress(&bytes, level), length) == Ok(bytes.clone()),
                "{length} bytes at {level}"
            );
        }
    }
}

#[test]
fn programs_are_unpacked() {
    let program =
        std::fs::read(std::env::current_exe().expect("the test")).expect("it can be read");
    let program = &program[..program.len().min(4 << 20)];
    let frame = compress(program, 3);
    assert!(decode(&frame, program.len()).is_ok_and(|unpacked| unpacked == program));
}

#[test]
fn other_frames_are_refused() {
    let frame = compress(b"some text that is longer than nothing", 3);
    for (index, byte) in [(0, 0), (4, 0x24), (4, 0x21), (4, 0x28)] {
        let mut other = frame.clone();
        other[index] = byte;
        assert_eq!(decode(&other, 100), Err(Damaged), "{index} {byte}");
    }
    assert_eq!(decode(&frame[..frame.len() - 1], 100), Err(Damaged));
    assert_eq!(decode(&frame, 10), Err(Damaged), "there is no room");
}

/// Decodes a frame by what its header says.
fn decode_whole(frame: &[u8]) -> Result<Vec<u8>, Damaged> {
    let frame = Frame::read(frame)?;
    let mut output = vec![0; frame.length() + SLACK_BYTES];
    frame.decode(&mut output)?;
    output.truncate(frame.length());
    Ok(output)
}

#[test]
fn a_whole_frame_knows_its_length() {
    for length in [0, 1, 255, 256, 65_000, 65_791, 65_792, 300_000] {
        let bytes = varied(7, length);
        let frame = compress(&bytes, 3);
        assert!(frame.starts_with(Frame::MAGIC));
        assert_eq!(Frame::read(&frame).map(|frame| frame.length()), Ok(length));
        assert!(decode_whole(&frame) == Ok(bytes), "{length} bytes");
    }
}

#[test]
fn a_whole_frame_fills_its_length_and_nothing_follows() {
    let bytes = [7; 100];
    let frame = compress(&bytes, 3);
    for room in [99, 101] {
        let mut output = vec![0; room + SLACK_BYTES];
        let frame = Frame::read(&frame).expect("it is one");
        assert_eq!(frame.decode(&mut output), Err(Damaged), "{room}");
    }
    // The only byte of the length.
    for length in [99, 101] {
        let mut other = frame.clone();
        other[5] = length;
        assert_eq!(decode_whole(&other), Err(Damaged), "{length}");
    }
    assert_eq!(decode_whole(&[&*frame, &[0]].concat()), Err(Damaged));
    for end in 0..frame.len() {
        assert_eq!(decode_whole(&frame[..end]), Err(Damaged), "{end} bytes");
    }
    // A window and no length.
    let unknown = [Frame::MAGIC, &[0, 0x58, 1, 0, 0]].concat();
    assert_eq!(decode_whole(&unknown), Err(Damaged));
}

#[test]
fn a_frame_may_have_a_window_beside_its_length() {
    let bytes = [7; 300];
    let lengths: [(u8, &[u8]); 3] = [
        // Lengths of two bytes begin at 256.
        (0x40, &[44, 0]),
        (0x80, &[44, 1, 0, 0]),
        (0xC0, &[44, 1, 0, 0, 0, 0, 0, 0]),
    ];
    // The last block, as it is.
    let block = (300_u32 << 3 | 1).to_le_bytes();
    for (descriptor, length) in lengths {
        let header = [Frame::MAGIC, &[descriptor, 0x58], length].concat();
        let frame = [&*header, &block[..3], &bytes].concat();
        assert_eq!(
            decode_whole(&frame).as_deref(),
            Ok(&bytes[..]),
            "{descriptor:x}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_texts_are_unpacked(bytes: Vec<u8>, level in 1..20) {
        prop_assert_eq!(decode(&compress(&bytes, level), bytes.len()), Ok(bytes));
    }

    #[test]
    fn a_damaged_frame_is_refused_or_unpacked_to_something(seed: u64, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut frame = compress(&varied(seed, 20_000), 19);
        for (index, byte) in changes {
            let index = index.index(frame.len());
            frame[index] = byte;
        }
        let _ = decode(&frame, 20_000);
    }

    #[test]
    fn noise_does_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 12..2000)) {
        bytes[..5].copy_from_slice(&[0x28, 0xB5, 0x2F, 0xFD, 0x20]);
        // One compressed block.
        let size = (bytes.len() - 9) as u32;
        bytes[6..9].copy_from_slice(&(size << 3 | 5).to_le_bytes()[..3]);
        let _ = decode(&bytes, 200_000);
    }
}
