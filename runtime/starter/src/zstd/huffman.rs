//! Huffman codes of literals.

use super::{Damaged, bits::Bits, fse::Table};

/// Length of the longest code.
const MAX_BITS: u32 = 11;

/// Largest logarithm of the table that a code's description is packed with.
const MAX_WEIGHTS_LOG: u32 = 6;

#[derive(Clone, Copy, Default)]
struct Entry {
    symbol: u8,
    bits: u8,
}

/// A code, as a table of all that the next bits may be.
pub(super) struct Code {
    entries: [Entry; 1 << MAX_BITS],
    /// Length of the longest code.
    bits: u32,
}

impl Code {
    /// Reads a code's description. Returns the code and the length of its description.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), Damaged> {
        let (&head, bytes) = bytes.split_first().ok_or(Damaged)?;
        let mut weights = [0; 256];
        let length = usize::from(head);
        let (count, length) = if length < 128 {
            let packed = bytes.get(..length).ok_or(Damaged)?;
            (unpack(packed, &mut weights)?, length)
        } else {
            let count = length - 127;
            let packed = bytes.get(..count.div_ceil(2)).ok_or(Damaged)?;
            for (index, weight) in weights[..count].iter_mut().enumerate() {
                *weight = packed[index / 2] >> (4 * (1 - index % 2)) & 15;
            }
            (count, packed.len())
        };
        Ok((Self::new(&mut weights, count)?, 1 + length))
    }

    /// Makes a code of the weights of its first `count` symbols. The next one has what is left.
    fn new(weights: &mut [u8; 256], count: usize) -> Result<Self, Damaged> {
        let mut sum = 0_u32;
        for &weight in &weights[..count] {
            if u32::from(weight) > MAX_BITS {
                return Err(Damaged);
            }
            sum += (1 << weight) >> 1;
        }
        let bits = sum.checked_ilog2().ok_or(Damaged)? + 1;
        let left = (1_u32 << bits) - sum;
        if bits > MAX_BITS || !left.is_power_of_two() {
            return Err(Damaged);
        }
        *weights.get_mut(count).ok_or(Damaged)? = left.ilog2() as u8 + 1;
        let mut code = Self {
            entries: [Entry::default(); 1 << MAX_BITS],
            bits,
        };
        let mut entries = code.entries.iter_mut();
        for weight in 1..=bits as u8 {
            let symbols = (0_u8..=255).zip(&*weights).filter(|(_, of)| **of == weight);
            for (symbol, _) in symbols {
                let entry = Entry {
                    symbol,
                    bits: bits as u8 + 1 - weight,
                };
                entries
                    .by_ref()
                    .take(1 << (weight - 1))
                    .for_each(|place| *place = entry);
            }
        }
        Ok(code)
    }

    /// Decodes a stream of as many symbols as `literals` takes.
    pub(super) fn decode(&self, stream: &[u8], literals: &mut [u8]) -> Result<(), Damaged> {
        let mut bits = Bits::new(stream)?;
        let mut groups = literals.chunks_exact_mut(4);
        for group in &mut groups {
            // Four codes take up to 44 of the 56 bits at hand.
            bits.refill();
            for literal in group {
                *literal = self.symbol(&mut bits);
            }
        }
        bits.refill();
        for literal in groups.into_remainder() {
            *literal = self.symbol(&mut bits);
        }
        bits.refill();
        if bits.is_empty() {
            Ok(())
        } else {
            Err(Damaged)
        }
    }

    #[inline]
    fn symbol(&self, bits: &mut Bits<'_>) -> u8 {
        let entry = self.entries[bits.peek(self.bits) % (1 << MAX_BITS)];
        bits.skip(entry.bits.into());
        entry.symbol
    }
}

/// Unpacks weights, with two states that take turns. Returns their number.
fn unpack(packed: &[u8], weights: &mut [u8; 256]) -> Result<usize, Damaged> {
    let (table, length) = Table::read(packed, MAX_WEIGHTS_LOG)?;
    let mut bits = Bits::new(packed.get(length..).ok_or(Damaged)?)?;
    let (mut state, mut other) = (table.begin(&mut bits), table.begin(&mut bits));
    let mut places = weights[..255].iter_mut().enumerate();
    let mut put = |symbol| {
        let (index, place) = places.next().ok_or(Damaged)?;
        *place = symbol;
        Ok(index + 1)
    };
    loop {
        put(table.symbol(state))?;
        bits.refill();
        state = table.next(state, &mut bits);
        if bits.is_over() {
            return put(table.symbol(other));
        }
        core::mem::swap(&mut state, &mut other);
    }
}
