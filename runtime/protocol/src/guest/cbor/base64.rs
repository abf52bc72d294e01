//! Bytes as texts.

use super::error::DecodeError;

/// Decodes base64. Each byte string has exactly one accepted spelling.
pub fn from_base64(text: &str) -> Result<Vec<u8>, DecodeError> {
    let complaint = || {
        DecodeError::Type(format!(
            "{:?} is no base64",
            text.chars().take(60).collect::<String>()
        ))
    };
    let digit = |byte| {
        Some(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        })
    };
    let digits = text
        .strip_suffix("==")
        .or_else(|| text.strip_suffix('='))
        .unwrap_or(text);
    if !text.len().is_multiple_of(4) {
        return Err(complaint());
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.as_bytes().chunks(4) {
        let bits = group
            .iter()
            .try_fold(0, |bits, byte| Some(bits << 6 | u32::from(digit(*byte)?)));
        let bits = bits.ok_or_else(complaint)? << (6 * (4 - group.len()));
        let [_, decoded @ ..] = bits.to_be_bytes();
        let (decoded, rest) = decoded.split_at(group.len() - 1);
        if rest.iter().any(|byte| *byte != 0) {
            return Err(complaint());
        }
        bytes.extend(decoded);
    }
    Ok(bytes)
}
