//! Floating point numbers: CBOR's three lengths of them, and those that JSON cannot write.

use super::input::Head;

/// Returns the number in a head of major type 7, if it is one.
pub(super) fn float(head: Head) -> Option<f64> {
    let value = head.value?;
    match head.first {
        0xf9 => Some(half(u16::try_from(value).ok()?)),
        0xfa => Some(f32::from_bits(u32::try_from(value).ok()?).into()),
        0xfb => Some(f64::from_bits(value)),
        _ => None,
    }
}

/// Converts a number of 16 bits: a sign, 5 bits of exponent, and 10 bits of fraction.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let number = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -number } else { number }
}

/// Parses a number for which JSON has no digits.
pub(super) fn float_in_words(text: &str) -> Option<f64> {
    Some(match text {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => return None,
    })
}
