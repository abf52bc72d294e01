//! Results as JSON, as [`to_json`] writes them.

pub(crate) use wxec::call::to_json;

use wxec::call::Value;

/// Spellings of the numbers that JSON has no digits for.
pub(super) const NAN: &str = "NaN";
pub(super) const INFINITY: &str = "Infinity";
pub(super) const NEGATIVE_INFINITY: &str = "-Infinity";

/// Returns the number that big-endian bytes mean, if it takes no more than 128 bits.
pub(super) fn magnitude(bytes: &[u8]) -> Option<u128> {
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    (significant.len() <= 16).then(|| {
        significant
            .iter()
            .fold(0, |number, byte| number << 8 | u128::from(*byte))
    })
}

/// Converts a program's output for JSON: to a text or, if it is not UTF-8, to `{"base64": …}`.
pub(crate) fn text_or_base64(bytes: Vec<u8>) -> Value {
    match String::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) => Value::Map(vec![("base64".into(), Value::Bytes(error.into_bytes()))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_marked_in_json() {
        assert_eq!(to_json(&text_or_base64("é\n".into())), r#""é\n""#);
        assert_eq!(
            to_json(&text_or_base64(b"a\xff".into())),
            r#"{"base64":"Yf8="}"#
        );
    }
}
