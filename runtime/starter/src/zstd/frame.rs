//! A frame that is at hand as a whole.

use super::{
    BLOCK_HEADER_BYTES, BlockHeader, Damaged, Decoder, SLACK_BYTES, frame_header_rest,
    little_endian,
};

/// Length of the part of a frame's header that tells how long the rest is.
const FIRST_BYTES: usize = 5;

/// A frame whose header was read.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    length: usize,
    blocks: &'a [u8],
}

impl<'a> Frame<'a> {
    /// First bytes of every frame.
    pub const MAGIC: &'static [u8] = &[0x28, 0xB5, 0x2F, 0xFD];

    /// Reads the header of a frame that tells its length.
    pub fn read(frame: &'a [u8]) -> Result<Self, Damaged> {
        let (first, rest) = frame.split_first_chunk::<FIRST_BYTES>().ok_or(Damaged)?;
        let (header, blocks) = rest
            .split_at_checked(frame_header_rest(*first)?)
            .ok_or(Damaged)?;
        let descriptor = first[FIRST_BYTES - 1];
        let is_single = descriptor & 0b0010_0000 != 0;
        // A frame with a window has the window's size first.
        let length = header.get(usize::from(!is_single)..).ok_or(Damaged)?;
        let length = match length.len() {
            0 => return Err(Damaged),
            // Lengths that fit into one byte have one.
            2 => 256 + little_endian(length, 2)?,
            bytes => little_endian(length, bytes)?,
        };
        Ok(Self { length, blocks })
    }

    /// Returns the length of its content, as its header has it.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Decodes it into `output`, which is [`SLACK_BYTES`] longer than the content.
    pub fn decode(self, output: &mut [u8]) -> Result<(), Damaged> {
        if output.len().checked_sub(SLACK_BYTES) != Some(self.length) {
            return Err(Damaged);
        }
        let (mut decoder, mut at, mut rest) = (Decoder::default(), 0, self.blocks);
        loop {
            let (header, blocks) = rest
                .split_first_chunk::<BLOCK_HEADER_BYTES>()
                .ok_or(Damaged)?;
            let header = BlockHeader::read(*header)?;
            let (block, blocks) = blocks.split_at_checked(header.bytes).ok_or(Damaged)?;
            at = decoder.decode(header, block, output, at)?;
            rest = blocks;
            if header.is_last {
                break;
            }
        }
        if at == self.length && rest.is_empty() {
            Ok(())
        } else {
            Err(Damaged)
        }
    }
}
