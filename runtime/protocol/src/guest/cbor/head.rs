//! Heads of items: the major type, and a length or a number.

/// Writes the head of an array of `length` items.
pub fn array_head(length: usize, bytes: &mut Vec<u8>) {
    head(4, length as u64, bytes);
}

/// Writes the head of a byte string of `length` bytes; the caller appends the bytes unchanged.
pub fn bytes_head(length: usize, bytes: &mut Vec<u8>) {
    head(2, length as u64, bytes);
}

pub(super) fn head(major: u8, value: u64, bytes: &mut Vec<u8>) {
    let major = major << 5;
    match value {
        0..24 => bytes.push(major | value.to_le_bytes()[0]),
        24..=0xff => bytes.extend([major | 24, value.to_le_bytes()[0]]),
        0x100..=0xffff => {
            bytes.push(major | 25);
            bytes.extend(&value.to_be_bytes()[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            bytes.push(major | 26);
            bytes.extend(&value.to_be_bytes()[4..]);
        }
        _ => {
            bytes.push(major | 27);
            bytes.extend(value.to_be_bytes());
        }
    }
}
