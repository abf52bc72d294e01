//! A decoder for the zstd frames that wxec itself makes: of known length, without dictionary or
//! checksum. It decodes block by block into one piece of memory, and allocates nothing.
//!
//! The `ruzstd` crate takes three times as long, and the C library needs a C compiler for the host.

mod bits;
mod frame;
mod fse;
mod huffman;
mod sequences;
#[cfg(test)]
mod tests;

pub use self::frame::Frame;
use self::{
    huffman::Code,
    sequences::{SLACK, Sequences},
};

/// Size of the largest block, packed or not.
pub const MAX_BLOCK_BYTES: usize = 128 << 10;

/// Room that the memory for the output must have beyond it.
pub const SLACK_BYTES: usize = SLACK;

/// Length of a block's header.
pub const BLOCK_HEADER_BYTES: usize = 3;

/// A frame that is not what its encoder wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

/// Beginning of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// Nothing follows the block.
    pub is_last: bool,
    kind: Kind,
    /// Size of what follows the header.
    pub bytes: usize,
    /// Length of a run.
    run: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Raw,
    Run,
    Compressed,
}

impl BlockHeader {
    /// Reads a block's header.
    pub fn read(bytes: [u8; BLOCK_HEADER_BYTES]) -> Result<Self, Damaged> {
        let [low, middle, high] = bytes;
        let number = u32::from_le_bytes([low, middle, high, 0]);
        let size = (number >> 3) as usize;
        let kind = match number >> 1 & 3 {
            0 => Kind::Raw,
            1 => Kind::Run,
            2 => Kind::Compressed,
            _ => return Err(Damaged),
        };
        if size > MAX_BLOCK_BYTES {
            return Err(Damaged);
        }
        Ok(Self {
            is_last: number & 1 == 1,
            kind,
            bytes: if kind == Kind::Run { 1 } else { size },
            run: size,
        })
    }
}

/// Returns the length of a frame's header beyond its first five bytes, if it is a frame that this
/// decoder reads.
pub fn frame_header_rest(first: [u8; 5]) -> Result<usize, Damaged> {
    let [0x28, 0xB5, 0x2F, 0xFD, descriptor] = first else {
        return Err(Damaged);
    };
    // Reserved bit, checksum, dictionary.
    if descriptor & 0b0000_1111 != 0 {
        return Err(Damaged);
    }
    let length_bytes = 1 << (descriptor >> 6);
    let is_single = descriptor & 0b0010_0000 != 0;
    Ok(match length_bytes {
        1 => 1,
        // The size of a window comes first; here all output stays at hand.
        _ => length_bytes + usize::from(!is_single),
    })
}

/// State between the blocks of a frame.
pub struct Decoder {
    code: Option<Code>,
    sequences: Sequences,
    literals: [u8; MAX_BLOCK_BYTES + SLACK],
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            code: None,
            sequences: Sequences::new(),
            literals: [0; MAX_BLOCK_BYTES + SLACK],
        }
    }
}

impl Decoder {
    /// Decodes a block behind the `at` bytes that `output` has, which must be all that were decoded
    /// before. Returns how many it has then; [`SLACK_BYTES`] stay free.
    pub fn decode(
        &mut self,
        header: BlockHeader,
        block: &[u8],
        output: &mut [u8],
        at: usize,
    ) -> Result<usize, Damaged> {
        let end = output.len().checked_sub(SLACK).ok_or(Damaged)?;
        match header.kind {
            Kind::Raw => {
                output[..end]
                    .get_mut(at..at + block.len())
                    .ok_or(Damaged)?
                    .copy_from_slice(block);
                Ok(at + block.len())
            }
            Kind::Run => {
                let byte = *block.first().ok_or(Damaged)?;
                output[..end]
                    .get_mut(at..at + header.run)
                    .ok_or(Damaged)?
                    .fill(byte);
                Ok(at + header.run)
            }
            Kind::Compressed => {
                let (count, rest) = self.read_literals(block)?;
                self.sequences.run(rest, &self.literals, count, output, at)
            }
        }
    }

    /// Decodes a block's literals. Returns their number and what follows them.
    fn read_literals<'a>(&mut self, block: &'a [u8]) -> Result<(usize, &'a [u8]), Damaged> {
        let head = *block.first().ok_or(Damaged)?;
        let (kind, format) = (head & 3, head >> 2 & 3);
        if kind > 1 {
            return self.read_coded(block, kind == 2, format);
        }
        let (length, count) = match format {
            0 | 2 => (1, usize::from(head >> 3)),
            1 => (2, little_endian(block, 2)? >> 4),
            _ => (3, little_endian(block, 3)? >> 4),
        };
        let rest = block.get(length..).ok_or(Damaged)?;
        let literals = self.literals[..MAX_BLOCK_BYTES]
            .get_mut(..count)
            .ok_or(Damaged)?;
        let taken = if kind == 0 {
            literals.copy_from_slice(rest.get(..count).ok_or(Damaged)?);
            count
        } else {
            literals.fill(*rest.first().ok_or(Damaged)?);
            1
        };
        Ok((count, &rest[taken..]))
    }

    /// Decodes literals that are Huffman-coded, by a new code or the one before.
    fn read_coded<'a>(
        &mut self,
        block: &'a [u8],
        is_new: bool,
        format: u8,
    ) -> Result<(usize, &'a [u8]), Damaged> {
        let (length, bits) = match format {
            0 | 1 => (3, 10),
            2 => (4, 14),
            _ => (5, 18),
        };
        let sizes = little_endian(block, length)? >> 4;
        let (count, size) = (sizes & ((1 << bits) - 1), sizes >> bits);
        let section = block.get(length..length + size).ok_or(Damaged)?;
        let mut streams = section;
        if is_new {
            let (code, length) = Code::read(section)?;
            self.code = Some(code);
            streams = section.get(length..).ok_or(Damaged)?;
        }
        let code = self.code.as_ref().ok_or(Damaged)?;
        let literals = self.literals[..MAX_BLOCK_BYTES]
            .get_mut(..count)
            .ok_or(Damaged)?;
        if format == 0 {
            code.decode(streams, literals)?;
        } else {
            decode_four(code, streams, literals)?;
        }
        Ok((count, &block[length + size..]))
    }
}

/// Decodes four streams behind the lengths of the first three.
fn decode_four(code: &Code, streams: &[u8], literals: &mut [u8]) -> Result<(), Damaged> {
    let (lengths, mut streams) = streams.split_at_checked(6).ok_or(Damaged)?;
    let each = literals.len().div_ceil(4);
    let mut parts = literals.chunks_mut(each.max(1));
    for length in lengths.chunks_exact(2) {
        let (stream, rest) = streams
            .split_at_checked(little_endian(length, 2)?)
            .ok_or(Damaged)?;
        code.decode(stream, parts.next().ok_or(Damaged)?)?;
        streams = rest;
    }
    code.decode(streams, parts.next().ok_or(Damaged)?)
}

/// Reads a number of `length` bytes.
fn little_endian(bytes: &[u8], length: usize) -> Result<usize, Damaged> {
    let bytes = bytes.get(..length).ok_or(Damaged)?;
    Ok(bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | usize::from(*byte)))
}
