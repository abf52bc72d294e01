//! A filter for machine code. Calls and accesses to data name their targets by the distance from
//! where they stand, so that each call of one function looks different. With positions in place of
//! distances they look the same, and compress.
//!
//! Both directions look only at bytes that they do not change, so that they find the same places. A
//! place that is no instruction by chance is changed and changed back.

/// Number of bytes that a direction must see from an instruction's beginning on.
const SEEN_BYTES: usize = 8;

/// Instruction set of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 32-bit distances behind certain opcodes.
    X86_64,
    /// `bl` and `adrp`.
    Aarch64,
}

/// Direction of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToPositions,
    ToDistances,
}

impl Code {
    /// Returns the code of machines of this name, if there is a filter for it.
    pub fn of(architecture: &str) -> Option<Self> {
        match architecture {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// Turns distances into positions, in a whole image.
    pub fn to_positions(self, image: &mut [u8]) {
        let whole = Part {
            start: 0,
            total: image.len(),
        };
        self.turn(image, whole, Direction::ToPositions);
    }

    /// Turns positions into distances, in a part of an image. Returns the number of bytes that are
    /// done; the next part begins with the others.
    pub fn to_distances(self, bytes: &mut [u8], part: Part) -> usize {
        self.turn(bytes, part, Direction::ToDistances)
    }

    fn turn(self, bytes: &mut [u8], part: Part, direction: Direction) -> usize {
        let done = match self {
            Self::X86_64 => x86_64(bytes, part, direction),
            Self::Aarch64 => aarch64(bytes, part, direction),
        };
        // Nothing follows the last part.
        if part.start + bytes.len() == part.total {
            bytes.len()
        } else {
            done
        }
    }
}

/// Place of a part in its image.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Position of the part's first byte.
    pub start: usize,
    /// Length of the whole image.
    pub total: usize,
}

fn x86_64(bytes: &mut [u8], part: Part, direction: Direction) -> usize {
    let mut at = 0;
    loop {
        let (skipped, form) = find(&bytes[at..]);
        at += skipped;
        // The operand of the longest form ends with the bytes that are seen.
        let Some(&[_, _, third, ..]) = bytes[at..].first_chunk::<SEEN_BYTES>() else {
            return at;
        };
        let opcode_bytes = match form {
            BRANCH => 1,
            MEMORY | ESCAPED_BRANCH => 2,
            ESCAPED_MEMORY if is_relative(third) => 3,
            _ => {
                at += 1;
                continue;
            }
        };
        at += opcode_bytes;
        let Some(operand) = bytes[at..].first_chunk_mut() else {
            return at;
        };
        // Past all that was looked at, changed or not.
        at += operand.len();
        turn_operand(operand, (part.start + at) as u32, direction);
    }
}

/// Returns the number of bytes before the next two that may begin an instruction with an operand,
/// and the form of that. Most bytes begin none, so this takes most of the time.
fn find(bytes: &[u8]) -> (usize, u8) {
    let mut first = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let second = FORMS[usize::from(*byte)];
        let form = first & second >> 4;
        if form != 0 {
            return (index - 1, form);
        }
        first = second;
    }
    // Nothing is known of the last byte without the next.
    (bytes.len().saturating_sub(1), 0)
}

/// A distance follows the first byte.
const BRANCH: u8 = 1;
/// A distance follows the second byte, which is a ModRM byte.
const MEMORY: u8 = 2;
/// A distance follows the second byte.
const ESCAPED_BRANCH: u8 = 4;
/// A ModRM byte follows the second byte, and perhaps a distance that.
const ESCAPED_MEMORY: u8 = 8;

/// For each byte, the forms that it may begin, and above them those that it may be the second byte
/// of.
static FORMS: [u8; 256] = {
    let mut forms = [0; 256];
    // call, jmp
    add(&mut forms, &[0xE8, 0xE9], BRANCH);
    // add, cmp, test, mov, lea, inc to push
    let memory = [0x03, 0x39, 0x3B, 0x85, 0x89, 0x8B, 0x8D, 0xFF];
    add(&mut forms, &memory, MEMORY);
    add(&mut forms, &[0x0F], ESCAPED_BRANCH | ESCAPED_MEMORY);
    // movups, movaps, andps, xorps, movdqa, movzx
    let escaped = [0x10, 0x11, 0x28, 0x29, 0x54, 0x57, 0x6F, 0xB6];
    add(&mut forms, &escaped, ESCAPED_MEMORY << 4);
    let mut byte = 0;
    while byte < forms.len() {
        forms[byte] |= BRANCH << 4;
        if is_relative(byte as u8) {
            forms[byte] |= MEMORY << 4;
        }
        if matches!(byte, 0x80..=0x8F) {
            forms[byte] |= ESCAPED_BRANCH << 4;
        }
        byte += 1;
    }
    forms
};

const fn add(forms: &mut [u8; 256], bytes: &[u8], form: u8) {
    let mut index = 0;
    while index < bytes.len() {
        forms[bytes[index] as usize] |= form;
        index += 1;
    }
}

/// Returns true if a ModRM byte names memory at a distance from the next instruction.
const fn is_relative(modrm: u8) -> bool {
    modrm & 0xC7 == 0x05
}

/// Turns a distance or position of 24 bits and a sign. Other operands stay as they are. The sign
/// stays in its byte, by which both are known. The other bytes of a position begin with the
/// highest, because that is the one that repeats itself.
fn turn_operand(operand: &mut [u8; 4], next: u32, direction: Direction) {
    let [first, second, third, sign] = *operand;
    if !matches!(sign, 0x00 | 0xFF) {
        return;
    }
    *operand = match direction {
        Direction::ToPositions => {
            let distance = u32::from_le_bytes([first, second, third, sign & 1]);
            let [first, second, third, sign] = distance.wrapping_add(next).to_le_bytes();
            [third, second, first, 0_u8.wrapping_sub(sign & 1)]
        }
        Direction::ToDistances => {
            let position = u32::from_le_bytes([third, second, first, sign & 1]);
            let [first, second, third, sign] = position.wrapping_sub(next).to_le_bytes();
            [first, second, third, 0_u8.wrapping_sub(sign & 1)]
        }
    };
}

fn aarch64(bytes: &mut [u8], part: Part, direction: Direction) -> usize {
    const BL: u32 = 0x9400_0000;
    const BL_BITS: u32 = 0x03FF_FFFF;
    const ADRP: u32 = 0x9000_0000;

    let (words, _) = bytes.as_chunks_mut::<4>();
    for (index, word) in words.iter_mut().enumerate() {
        // Wraps at 4 GiB in both directions alike.
        let position = (part.start + 4 * index) as u32;
        let shift = |distance: u32, by: u32| match direction {
            Direction::ToPositions => distance.wrapping_add(by),
            Direction::ToDistances => distance.wrapping_sub(by),
        };
        let code = u32::from_le_bytes(*word);
        let turned = if code & !BL_BITS == BL {
            BL | shift(code, position >> 2) & BL_BITS
        } else if code & 0x9F00_0000 == ADRP {
            // 21 bits: the upper 19 at 5, the lower 2 at 29.
            let page = code >> 3 & 0x001F_FFFC | code >> 29 & 3;
            let page = shift(page, position >> 12);
            code & 0x9F00_001F | (page & 0x001F_FFFC) << 3 | (page & 3) << 29
        } else {
            continue;
        };
        *word = turned.to_le_bytes();
    }
    4 * words.len()
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// Turns positions back into distances, in parts of `part_bytes` and what was left of the part
    /// before.
    fn back(code: Code, bytes: &[u8], part_bytes: usize) -> Vec<u8> {
        let (mut done, mut pending) = (Vec::new(), Vec::new());
        for part in bytes.chunks(part_bytes) {
            pending.extend_from_slice(part);
            let place = Part {
                start: done.len(),
                total: bytes.len(),
            };
            let finished = code.to_distances(&mut pending, place);
            done.extend(pending.drain(..finished));
        }
        done
    }

    #[test]
    fn two_calls_of_one_function_look_the_same() {
        let mut code = [0_u8; 40];
        code[0..5].copy_from_slice(&[0xE8, 15, 0, 0, 0]);
        code[10..15].copy_from_slice(&[0xE8, 5, 0, 0, 0]);
        let plain = code;

        Code::X86_64.to_positions(&mut code);

        assert_eq!(code[0..5], [0xE8, 0, 0, 20, 0]);
        assert_eq!(code[10..15], [0xE8, 0, 0, 20, 0]);
        assert_eq!(back(Code::X86_64, &code, 100), plain);
    }

    #[test]
    fn two_branches_to_one_function_look_the_same() {
        let words = [0x9400_0002_u32, 0x9400_0001, 0x9000_0000];
        let mut code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let plain = code.clone();

        Code::Aarch64.to_positions(&mut code);

        assert_eq!(code[0..4], code[4..8]);
        assert_eq!(back(Code::Aarch64, &code, 100), plain);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_turned_is_turned_back(
            words in prop::collection::vec((0..12_usize, any::<u32>()), 0..2000),
            part_bytes in 9..3000_usize,
        ) {
            const LIKELY: [&[u8]; 12] = [
                &[0xE8], &[0xE9], &[0x0F, 0x84], &[0x8D, 0x05], &[0x0F, 0x28, 0x05], &[0xFF, 0x15], &[0xE8, 0xE8],
                &[0, 0, 0, 0x94], &[1, 2, 3, 0x90], &[0xFF, 0xFF, 0xFF, 0xB0], &[0x0F], &[],
            ];
            let plain: Vec<u8> = words
                .iter()
                .flat_map(|(index, word)| [LIKELY[*index], &(word >> (word % 32)).to_le_bytes()].concat())
                .collect();
            for code in [Code::X86_64, Code::Aarch64] {
                let mut turned = plain.clone();
                code.to_positions(&mut turned);
                prop_assert_eq!(&back(code, &turned, part_bytes), &plain);
            }
        }
    }
}
