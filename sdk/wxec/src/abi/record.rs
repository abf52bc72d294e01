//! Puts a task's record together at compile time: the macro knows the function, and only rustc
//! knows the module path.

/// Returns the length of the record of a task in `module`. `function` is the CBOR of the function,
/// in parts.
pub const fn record_length(module: &str, function: &[&[u8]]) -> usize {
    LENGTH_BYTES + body_length(module, function)
}

/// Returns the same bytes as `wxec_protocol::abi::record` for the task. `N` is its
/// [`record_length`].
pub const fn record<const N: usize>(module: &str, function: &[&[u8]]) -> [u8; N] {
    let record = [0; N];
    let [length @ .., _, _, _, _] = (body_length(module, function) as u64).to_le_bytes();
    let (record, at) = put(record, 0, &length);
    let (record, at) = put(record, at, &[PAIR]);
    let (record, at) = put(
        record,
        at,
        text_head(module).split_at(text_head_length(module)).0,
    );
    let (record, at) = put(record, at, module.as_bytes());
    let (mut record, mut at) = (record, at);
    let mut part = 0;
    while part < function.len() {
        (record, at) = put(record, at, function[part]);
        part += 1;
    }
    assert!(at == N, "N is the record's length");
    record
}

/// A record begins with its length, a `u32`.
const LENGTH_BYTES: usize = 4;
/// Head of an array of two items.
const PAIR: u8 = 0x82;
/// Head of a text; its length is in the lower bits, or in the bytes that follow.
const TEXT: u8 = 0x60;

const fn body_length(module: &str, function: &[&[u8]]) -> usize {
    let mut length = 1 + text_head_length(module) + module.len();
    let mut part = 0;
    while part < function.len() {
        length += function[part].len();
        part += 1;
    }
    length
}

/// Returns the head of a text of any length.
pub const fn long_text_head(text: &str) -> [u8; 5] {
    // Source code is below 4 GiB.
    let [.., a, b, c, d] = (text.len() as u64).to_be_bytes();
    [TEXT | 26, a, b, c, d]
}

const fn text_head_length(text: &str) -> usize {
    match text.len() {
        0..24 => 1,
        24..=0xff => 2,
        _ => 3,
    }
}

const fn text_head(text: &str) -> [u8; 3] {
    let [.., high, low] = text.len().to_be_bytes();
    match text_head_length(text) {
        1 => [TEXT | low, 0, 0],
        2 => [TEXT | 24, low, 0],
        _ => {
            assert!(
                text.len() <= 0xffff,
                "rustc's own limits keep module paths shorter"
            );
            [TEXT | 25, high, low]
        }
    }
}

const fn put<const N: usize>(mut record: [u8; N], mut at: usize, bytes: &[u8]) -> ([u8; N], usize) {
    let mut from = 0;
    while from < bytes.len() {
        record[at] = bytes[from];
        (at, from) = (at + 1, from + 1);
    }
    (record, at)
}

#[cfg(test)]
mod tests {
    use wxec_protocol::abi::{self, Function, Wants};

    use super::*;

    /// The macro's output for `fn f()`.
    const FUNCTION: &[&[u8]] = &[b"\xa3\x64name\x61f\x66params", b"", b"\x80\x63ret\x62()"];
    const LETTERS: [u8; 256] = [b'm'; 256];

    /// Makes a record as the macro's output does, in a module whose path has `$length` letters, and
    /// compares it.
    macro_rules! assert_record {
        ($length:expr) => {{
            const MODULE: &str = match str::from_utf8(LETTERS.split_at($length).0) {
                Ok(letters) => letters,
                Err(_) => unreachable!(),
            };
            static RECORD: [u8; record_length(MODULE, FUNCTION)] = record(MODULE, FUNCTION);

            let function = Function {
                path: format!("{MODULE}::f"),
                name: "f".into(),
                doc: String::new(),
                parameters: Vec::new(),
                returns: "()".into(),
                error: None,
                wants: Wants::default(),
                readable: false,
                plan: None,
            };
            assert_eq!(
                RECORD[..],
                abi::record(MODULE, &function),
                "{} letters",
                $length
            );
            assert_eq!(abi::functions(&RECORD), Ok(vec![function]));
        }};
    }

    #[test]
    fn a_text_that_only_rustc_knows_is_read_as_one() {
        let long = "long".repeat(100_000);
        for text in ["", "Does it.", &long] {
            let written = [&long_text_head(text)[..], text.as_bytes()].concat();
            assert_eq!(
                wxec_protocol::cbor::decode::<String>(&written).unwrap(),
                text
            );
        }
    }

    #[test]
    fn a_record_is_what_the_protocol_would_write() {
        assert_record!(1);
        assert_record!(23);
        assert_record!(24);
        assert_record!(255);
        assert_record!(256);
    }
}
