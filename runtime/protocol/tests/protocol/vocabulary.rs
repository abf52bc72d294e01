//! Definitions that both ends, macros and guests of any language share: digests, limits, records,
//! and texts for people.

use std::collections::HashSet;

use ciborium::{Value, cbor};
use wxec_protocol::{
    Code, Digest, Hasher, LimitKind, Memory, Platform, Target,
    abi::{self, Function, Panic, Parameter, Status, TaskFailure, Wants},
    cbor as codec,
};

/// The SHA-256 of "hello", from `sha256sum`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
fn a_digest_is_what_sha256sum_says() {
    let digest = Digest::of(b"hello");
    assert_eq!(digest.to_string(), HELLO);
    assert_eq!(digest.short(), HELLO[..12]);
    assert_eq!(format!("{digest:?}"), "Digest(2cf24dba5fb0)");
    assert_eq!(HELLO.parse(), Ok(digest));
    assert_eq!(HELLO.to_uppercase().parse(), Ok(digest));
    assert_eq!(Digest::from_bytes(*digest.as_bytes()), digest);
}

#[test]
fn a_digest_grows_with_its_parts() {
    let mut hasher = Hasher::default();
    hasher.update(b"hel");
    hasher.update(b"");
    hasher.update(b"lo");
    assert_eq!(hasher.finish(), Digest::of(b"hello"));
}

#[test]
fn a_digest_is_hexadecimal_digits_and_nothing_else() {
    for text in [
        "",
        &HELLO[1..],
        &format!("{HELLO}0"),
        &"+f".repeat(32),
        &"0x".repeat(32),
        &"é".repeat(32),
    ] {
        let error = text.parse::<Digest>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "a digest is 64 hexadecimal digits",
            "{text:?}"
        );
    }
}

#[test]
fn a_platform_names_the_triple_it_is_served_by() {
    let platform = Platform::new("aarch64", "linux");
    assert_eq!(platform.triple(), "aarch64-unknown-linux-musl");
    assert_eq!(platform.to_string(), "aarch64-linux");
}

#[test]
fn a_target_is_one_word_that_can_be_read_again() {
    let mut words = HashSet::new();
    for code in [Code::Baseline, Code::V2, Code::V3, Code::Pulley] {
        for memory in [Memory::Reserved, Memory::Checked] {
            for metered in [false, true] {
                let target = Target {
                    platform: Platform::new("x86_64", "linux"),
                    code,
                    memory,
                    metered,
                };
                let word = target.to_string();
                assert!(
                    word.chars()
                        .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)),
                    "it names directories: {word}"
                );
                assert_eq!(word.parse(), Ok(target));
                words.insert(word);
            }
        }
    }
    assert_eq!(words.len(), 16);
    for word in [
        "x86_64-linux",
        "x86_64-linux-v3",
        "x86_64-linux-pulley-checked",
        "x86_64-linux-metered",
    ] {
        assert!(words.contains(word), "{words:?}");
    }
}

#[test]
fn a_target_is_known_words_in_their_order() {
    for text in [
        "",
        "x86_64",
        "x86_64-linux-v4",
        "x86_64-linux-",
        "x86_64-linux-checked-v3",
        "x86_64-linux-v2-v3",
    ] {
        let error = text.parse::<Target>().unwrap_err();
        assert!(
            error.to_string().starts_with("a target is ARCH-OS"),
            "{text:?}"
        );
    }
}

#[test]
fn every_limit_has_a_name_and_a_unit() {
    use LimitKind::{
        Children, ConcurrentCalls, Fuel, Input, Instances, Memory, Module, OpenFiles, Output,
        Stack, Streams, Table, TotalMemory,
    };

    let kinds = [
        Memory,
        Input,
        Output,
        Table,
        Stack,
        ConcurrentCalls,
        Module,
        Fuel,
        OpenFiles,
        Children,
        Streams,
        TotalMemory,
        Instances,
    ];
    assert_eq!(
        kinds
            .map(|kind| kind.to_string())
            .iter()
            .collect::<HashSet<_>>()
            .len(),
        kinds.len()
    );
    assert_eq!(Table.unit(), "elements");
    assert_eq!(ConcurrentCalls.unit(), "calls");
    assert!(
        [Memory, Input, Output, Stack, Module]
            .iter()
            .all(|kind| kind.unit() == "bytes")
    );
}

#[test]
fn a_status_is_one_of_four_codes() {
    let statuses = [
        Status::Ok,
        Status::Failed,
        Status::BadArguments,
        Status::Internal,
    ];
    assert_eq!([0, 1, 2, 3].map(Status::from_code), statuses.map(Some));
    assert_eq!(
        [-1, 4, i32::MIN, i32::MAX].map(Status::from_code),
        [None; 4]
    );
}

fn function(parameters: &[(&str, &str)], returns: &str, error: Option<&str>) -> Function {
    let parameter = |&(name, type_name): &(&str, &str)| Parameter {
        name: name.into(),
        type_name: type_name.into(),
    };
    Function {
        path: "words::count".into(),
        name: "count".into(),
        doc: String::new(),
        parameters: parameters.iter().map(parameter).collect(),
        returns: returns.into(),
        error: error.map(String::from),
        wants: Wants::default(),
        readable: false,
        plan: None,
    }
}

#[test]
fn a_function_is_shown_as_its_signature() {
    let shown = |parameters, returns, error| function(parameters, returns, error).to_string();
    assert_eq!(shown(&[], "", None), "words::count()");
    assert_eq!(shown(&[], "()", None), "words::count()");
    assert_eq!(
        shown(&[("text", "String")], "u64", None),
        "words::count(text: String) -> u64"
    );
    let two = [("text", "&str"), ("least", "u8")];
    assert_eq!(
        shown(&[], "Outcome<u8>::Ok", Some("Outcome<u8>::Err")),
        "words::count() -> Outcome<u8>"
    );
    assert_eq!(
        shown(&two, "()", Some("Error")),
        "words::count(text: &str, least: u8) -> Result<(), Error>"
    );
}

#[test]
fn a_record_written_in_another_language_is_read() {
    let body = cbor!(["words", {
        "name" => "count",
        "params" => [{ "name" => "text", "ty" => "String" }],
        "ret" => "u64",
        "a field of a later version" => [1, 2, 3],
    }]);
    let body = codec::encode(&body.unwrap()).unwrap();
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    assert_eq!(
        abi::functions(&[&length, &*body].concat()),
        Ok(vec![function(&[("text", "String")], "u64", None)])
    );
}

#[test]
fn a_failure_needs_a_type_and_a_message_only() {
    let bytes =
        codec::encode(&cbor!({ "type" => "Error", "msg" => "no such word" }).unwrap()).unwrap();
    let failure: TaskFailure = codec::decode(&bytes).unwrap();
    assert_eq!(failure.type_name, "Error");
    assert_eq!(failure.to_string(), "no such word");

    let failure = TaskFailure {
        chain: vec!["end of file".into(), "io".into()],
        data: Some(vec![0xf6]),
        ..failure
    };
    assert_eq!(failure.to_string(), "no such word: end of file: io");
    let bytes = codec::encode(&failure).unwrap();
    assert_eq!(codec::decode(&bytes), Ok(failure));
    let Items { data } = codec::decode(&bytes).unwrap();
    assert_eq!(
        data,
        Value::Bytes(vec![0xf6]),
        "raw bytes, not a list of numbers"
    );
}

/// One field of a failure, decoded without our types.
#[derive(serde::Deserialize)]
struct Items {
    data: Value,
}

#[test]
fn a_panic_needs_a_message_only() {
    let bytes = codec::encode(&cbor!({ "msg" => "oh no" }).unwrap()).unwrap();
    let panic: Panic = codec::decode(&bytes).unwrap();
    assert_eq!(
        panic,
        Panic {
            message: "oh no".into(),
            file: None,
            line: 0,
            column: 0
        }
    );
}
