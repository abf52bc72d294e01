//! Finite state entropy: tables that turn states and bits into symbols.

use super::{Damaged, bits::Bits};

/// The longest table: of lengths.
const MAX_STATES: usize = 1 << 9;

/// Symbols that a table may have: of match lengths, 53.
const MAX_SYMBOLS: usize = 64;

#[derive(Clone, Copy, Default)]
struct State {
    symbol: u8,
    bits: u8,
    base: u16,
}

/// A table of states.
pub(super) struct Table {
    states: [State; MAX_STATES],
    /// Logarithm of the number of states.
    log: u32,
}

impl Table {
    /// Returns a table of a single symbol, which takes no bits.
    pub(super) fn of(symbol: u8) -> Self {
        let mut table = Self {
            states: [State::default(); MAX_STATES],
            log: 0,
        };
        table.states[0].symbol = symbol;
        table
    }

    /// Makes the table of a distribution, which says of how many states each symbol has; -1 stands
    /// for fewer than one.
    pub(super) fn new(distribution: &[i16], log: u32) -> Result<Self, Damaged> {
        let mut table = Self::of(0);
        table.log = log;
        table.spread(distribution)?;
        let mut next = [0_u16; MAX_SYMBOLS];
        for (next, states) in next.iter_mut().zip(distribution) {
            *next = states.unsigned_abs();
        }
        for state in &mut table.states[..1 << log] {
            let number = &mut next[usize::from(state.symbol)];
            let bits = log - number.checked_ilog2().ok_or(Damaged)?;
            state.bits = bits as u8;
            state.base = (*number << bits) - (1 << log);
            *number += 1;
        }
        Ok(table)
    }

    /// Gives each symbol its states: the rare ones from the end, the others in strides.
    fn spread(&mut self, distribution: &[i16]) -> Result<(), Damaged> {
        let size = 1_usize << self.log;
        let states: usize = distribution
            .iter()
            .map(|states| usize::from(states.unsigned_abs()))
            .sum();
        if states != size || distribution.len() > MAX_SYMBOLS {
            return Err(Damaged);
        }
        let mut end = size;
        for (symbol, _) in distribution
            .iter()
            .enumerate()
            .filter(|(_, states)| **states < 0)
        {
            end -= 1;
            self.states[end].symbol = symbol as u8;
        }
        let stride = (size >> 1) + (size >> 3) + 3;
        let mut at = 0;
        for (symbol, states) in distribution.iter().enumerate() {
            for _ in 0..*states {
                self.states[at].symbol = symbol as u8;
                at = (at + stride) % size;
                while at >= end && end > 0 {
                    at = (at + stride) % size;
                }
            }
        }
        Ok(())
    }

    /// Reads the description of a table with up to `max_log` as its logarithm. Returns the table and
    /// the length of its description.
    pub(super) fn read(bytes: &[u8], max_log: u32) -> Result<(Self, usize), Damaged> {
        let mut description = Description { bytes, at: 0 };
        let log = description.take(4)? as u32 + 5;
        if log > max_log {
            return Err(Damaged);
        }
        let mut distribution = [0_i16; MAX_SYMBOLS];
        let mut symbols = 0;
        let mut left = 1_u32 << log;
        while left > 0 {
            let states = description.states(left)?;
            *distribution.get_mut(symbols).ok_or(Damaged)? = states;
            symbols += 1;
            left = left
                .checked_sub(states.unsigned_abs().into())
                .ok_or(Damaged)?;
            if states == 0 {
                symbols += description.zeros()?;
            }
        }
        let table = Self::new(distribution.get(..symbols).ok_or(Damaged)?, log)?;
        Ok((table, description.at.div_ceil(8)))
    }

    /// Returns the first state.
    #[inline]
    pub(super) fn begin(&self, bits: &mut Bits<'_>) -> usize {
        bits.take(self.log)
    }

    #[inline]
    pub(super) fn symbol(&self, state: usize) -> u8 {
        self.states[state % MAX_STATES].symbol
    }

    #[inline]
    pub(super) fn next(&self, state: usize, bits: &mut Bits<'_>) -> usize {
        let state = self.states[state % MAX_STATES];
        usize::from(state.base) + bits.take(state.bits.into())
    }
}

/// The description of a table: bits from the beginning on.
struct Description<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Description<'_> {
    fn take(&mut self, count: usize) -> Result<usize, Damaged> {
        let mut bits = 0;
        for index in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(Damaged)?;
            bits |= usize::from(byte >> (self.at % 8) & 1) << index;
            self.at += 1;
        }
        Ok(bits)
    }

    /// Reads how many of the `left` states a symbol has. Smaller numbers may take a bit less.
    fn states(&mut self, left: u32) -> Result<i16, Damaged> {
        let length = (left + 1).ilog2();
        let short = (2 << length) - 1 - (left as usize + 1);
        let low = self.take(length as usize)?;
        let number = if low < short || self.take(1)? == 0 {
            low
        } else {
            low + (1 << length) - short
        };
        i16::try_from(number)
            .map(|number| number - 1)
            .map_err(|_| Damaged)
    }

    /// Reads the number of further symbols that have no state.
    fn zeros(&mut self) -> Result<usize, Damaged> {
        let mut zeros = 0;
        loop {
            let more = self.take(2)?;
            zeros += more;
            if more < 3 {
                return Ok(zeros);
            }
        }
    }
}
