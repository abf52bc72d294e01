//! Sequences: literals to copy, and what to repeat behind them.

use super::{Damaged, bits::Bits, fse::Table};

/// Tables of the three kinds of codes that a sequence consists of, kept from block to block.
pub(super) struct Sequences {
    literals: Option<Table>,
    offsets: Option<Table>,
    matches: Option<Table>,
    /// The last three offsets.
    recent: [usize; 3],
}

/// One kind of code.
struct Kind {
    max_log: u32,
    default: &'static [i16],
    default_log: u32,
}

const LITERALS: Kind = Kind {
    max_log: 9,
    default: &[
        4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1,
        1, 1, -1, -1, -1, -1,
    ],
    default_log: 6,
};

const OFFSETS: Kind = Kind {
    max_log: 8,
    default: &[
        1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
    ],
    default_log: 5,
};

const MATCHES: Kind = Kind {
    max_log: 9,
    default: &[
        1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
    ],
    default_log: 6,
};

/// Bits that follow each code of a length of literals. A code's base is that of the code before,
/// plus what the bits of that code can say.
const LITERALS_BITS: [u8; 36] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11,
    12, 13, 14, 15, 16,
];

/// The same for lengths of matches.
const MATCHES_BITS: [u8; 53] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
];

/// Lengths of matches begin here.
const MIN_MATCH: u32 = 3;

static LITERALS_LENGTHS: [(u32, u8); 36] = lengths(0, LITERALS_BITS);
static MATCHES_LENGTHS: [(u32, u8); 53] = lengths(MIN_MATCH, MATCHES_BITS);

const fn lengths<const N: usize>(first: u32, bits: [u8; N]) -> [(u32, u8); N] {
    let mut lengths = [(first, 0); N];
    let mut index = 0;
    let mut base = first;
    while index < N {
        lengths[index] = (base, bits[index]);
        base += 1 << bits[index];
        index += 1;
    }
    lengths
}

/// Bytes that are copied at once.
const STEP: usize = 16;

/// Room behind literals and output for the last step of a copy.
pub(super) const SLACK: usize = 2 * STEP;

impl Sequences {
    pub(super) fn new() -> Self {
        Self {
            literals: None,
            offsets: None,
            matches: None,
            recent: [1, 4, 8],
        }
    }

    /// Reads the sequences of a block and carries them out: appends to the `at` bytes of `output`
    /// from the `count` bytes of `literals`. Returns the number of bytes in `output` then.
    pub(super) fn run(
        &mut self,
        section: &[u8],
        literals: &[u8],
        count: usize,
        output: &mut [u8],
        at: usize,
    ) -> Result<usize, Damaged> {
        let (sequences, rest) = number(section)?;
        let mut copy = Copy {
            literals,
            count,
            output,
            from: 0,
            at,
        };
        if sequences > 0 {
            let (&modes, rest) = rest.split_first().ok_or(Damaged)?;
            let rest = select(&mut self.literals, &LITERALS, modes >> 6, rest)?;
            let rest = select(&mut self.offsets, &OFFSETS, modes >> 4 & 3, rest)?;
            let rest = select(&mut self.matches, &MATCHES, modes >> 2 & 3, rest)?;
            self.decode(sequences, rest, &mut copy)?;
        }
        copy.literals(count - copy.from)?;
        Ok(copy.at)
    }

    fn decode(
        &mut self,
        sequences: usize,
        stream: &[u8],
        copy: &mut Copy<'_>,
    ) -> Result<(), Damaged> {
        let (Some(literals), Some(offsets), Some(matches)) =
            (&self.literals, &self.offsets, &self.matches)
        else {
            return Err(Damaged);
        };
        let mut bits = Bits::new(stream)?;
        let mut literal = literals.begin(&mut bits);
        let mut offset = offsets.begin(&mut bits);
        let mut matched = matches.begin(&mut bits);
        for left in (0..sequences).rev() {
            bits.refill();
            let code = u32::from(offsets.symbol(offset));
            if code > 31 {
                return Err(Damaged);
            }
            // Up to 31 bits, then up to 16 and 16, of the 56 at hand.
            let value = (1 << code) + bits.take(code);
            let length = length(&MATCHES_LENGTHS, matches.symbol(matched), &mut bits)?;
            bits.refill();
            let before = self::length(&LITERALS_LENGTHS, literals.symbol(literal), &mut bits)?;
            let offset_bytes = recall(&mut self.recent, value, before)?;
            if left > 0 {
                literal = literals.next(literal, &mut bits);
                matched = matches.next(matched, &mut bits);
                offset = offsets.next(offset, &mut bits);
            }
            copy.literals(before)?;
            copy.repeat(offset_bytes, length)?;
        }
        bits.refill();
        if bits.is_empty() {
            Ok(())
        } else {
            Err(Damaged)
        }
    }
}

/// Reads the number of sequences.
fn number(section: &[u8]) -> Result<(usize, &[u8]), Damaged> {
    match *section {
        [first @ 0..128, ref rest @ ..] => Ok((first.into(), rest)),
        [255, low, high, ref rest @ ..] => {
            Ok((usize::from(u16::from_le_bytes([low, high])) + 0x7F00, rest))
        }
        [first, low, ref rest @ ..] => Ok((usize::from(first - 128) << 8 | usize::from(low), rest)),
        _ => Err(Damaged),
    }
}

/// Chooses a table, and reads it if it is described here. Returns what follows it.
fn select<'a>(
    table: &mut Option<Table>,
    kind: &Kind,
    mode: u8,
    bytes: &'a [u8],
) -> Result<&'a [u8], Damaged> {
    match mode {
        0 => {
            *table = Some(Table::new(kind.default, kind.default_log)?);
            Ok(bytes)
        }
        1 => {
            let (&symbol, rest) = bytes.split_first().ok_or(Damaged)?;
            *table = Some(Table::of(symbol));
            Ok(rest)
        }
        2 => {
            let (read, length) = Table::read(bytes, kind.max_log)?;
            *table = Some(read);
            bytes.get(length..).ok_or(Damaged)
        }
        _ => Ok(bytes),
    }
}

#[inline]
fn length(lengths: &[(u32, u8)], code: u8, bits: &mut Bits<'_>) -> Result<usize, Damaged> {
    let (base, more) = lengths.get(usize::from(code)).ok_or(Damaged)?;
    Ok(*base as usize + bits.take((*more).into()))
}

/// Turns the value of an offset into the offset: one of the recent ones, or a new one. Behind no
/// literals it would make no sense to repeat the last.
#[inline]
fn recall(recent: &mut [usize; 3], value: usize, literals: usize) -> Result<usize, Damaged> {
    let index = match value {
        1..=3 => value - 1 + usize::from(literals == 0),
        _ => {
            *recent = [value - 3, recent[0], recent[1]];
            return Ok(value - 3);
        }
    };
    let offset = match index {
        3 => recent[0] - 1,
        index => recent[index],
    };
    if index > 1 {
        recent[2] = recent[1];
    }
    if index > 0 {
        recent[1] = recent[0];
    }
    recent[0] = offset;
    if offset == 0 {
        Err(Damaged)
    } else {
        Ok(offset)
    }
}

/// Output that grows.
struct Copy<'a> {
    /// The literals, and [`SLACK`] behind them.
    literals: &'a [u8],
    count: usize,
    /// The output, and [`SLACK`] behind it.
    output: &'a mut [u8],
    /// Number of literals used.
    from: usize,
    /// Number of bytes there are.
    at: usize,
}

impl Copy<'_> {
    #[inline]
    fn literals(&mut self, length: usize) -> Result<(), Damaged> {
        if length > self.count - self.from || length > self.room() {
            return Err(Damaged);
        }
        let (to, from) = (&mut self.output[self.at..], &self.literals[self.from..]);
        // Most are short, and whole steps are faster than exact lengths.
        let mut done = 0;
        while done < length {
            if let (Some(to), Some(from)) = (
                to[done..].first_chunk_mut::<STEP>(),
                from[done..].first_chunk(),
            ) {
                *to = *from;
            }
            done += STEP;
        }
        self.from += length;
        self.at += length;
        Ok(())
    }

    #[inline]
    fn repeat(&mut self, offset: usize, length: usize) -> Result<(), Damaged> {
        if offset > self.at || length > self.room() {
            return Err(Damaged);
        }
        let (start, end) = (self.at - offset, self.at + length);
        let tail = &mut self.output[start..end + STEP];
        if offset < STEP {
            for index in offset..offset + length {
                tail[index] = tail[index - offset];
            }
        } else {
            let mut done = 0;
            while done < length {
                let Some(step) = tail[done..].first_chunk::<STEP>().copied() else {
                    return Err(Damaged);
                };
                if let Some(to) = tail[offset + done..].first_chunk_mut() {
                    *to = step;
                }
                done += STEP;
            }
        }
        self.at = end;
        Ok(())
    }

    fn room(&self) -> usize {
        self.output.len() - SLACK - self.at
    }
}
