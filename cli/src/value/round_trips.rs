//! Printed values can be read back: values of every kind are written as a function in a module
//! writes them, printed as JSON, read as an argument of a type that only the function knows, and
//! decoded by the function.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    net::{IpAddr, SocketAddr},
};

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wxec::{
    Bytes,
    call::Value,
    cbor::{self, Form},
};

use crate::value::{json::to_json, reader::Reader, type_text::Type};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Key {
    Unit,
    Number(u8),
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Name(String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Nothing;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f32),
    Line(Option<Option<i128>>, char),
    Other {
        bytes: Bytes,
        inner: Option<Box<Self>>,
    },
    Some(Option<()>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    shapes: Vec<Shape>,
    by_text: BTreeMap<String, u8>,
    by_name: BTreeMap<Option<Name>, Option<Option<u8>>>,
    by_number: BTreeMap<i128, Nothing>,
    by_key: BTreeMap<Key, char>,
    by_pair: BTreeMap<(Option<bool>, char), u64>,
    by_bytes: BTreeMap<Bytes, f64>,
    by_nested: BTreeMap<Option<Option<i8>>, ()>,
    by_address: BTreeMap<IpAddr, SocketAddr>,
    numbers: (u128, i64, f32, f64),
}

/// Texts that look like something else.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,9}",
        prop_oneof![
            Just("null"),
            Just("\"null\""),
            Just("true"),
            Just("1"),
            Just("-1e-3"),
            Just("{\"Some\":null}"),
            Just("{}"),
            Just("[1"),
            Just("\""),
            Just("NaN"),
            Just("Unit"),
        ]
        .prop_map(String::from),
    ]
}

fn shapes() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Point),
        any::<f32>().prop_map(Shape::Circle),
        (option::of(option::of(any::<i128>())), any::<char>())
            .prop_map(|(number, letter)| Shape::Line(number, letter)),
        option::of(Just(())).prop_map(Shape::Some),
    ];
    leaf.prop_recursive(3, 8, 1, |inner| {
        (vec(any::<u8>(), 0..9), option::of(inner.prop_map(Box::new))).prop_map(|(bytes, inner)| {
            Shape::Other {
                bytes: bytes.into(),
                inner,
            }
        })
    })
}

fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        Just(Key::Unit),
        any::<u8>().prop_map(Key::Number),
        texts().prop_map(Key::Text)
    ]
}

fn addresses() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u16; 8]>().prop_map(IpAddr::from)
    ]
}

prop_compose! {
    fn maps()(
        by_text in btree_map(texts(), any::<u8>(), 0..4),
        by_name in btree_map(option::of(texts().prop_map(Name)), option::of(option::of(any::<u8>())), 0..4),
        by_number in btree_map(any::<i128>(), Just(Nothing), 0..4),
        by_key in btree_map(keys(), any::<char>(), 0..4),
        by_pair in btree_map((option::of(any::<bool>()), any::<char>()), any::<u64>(), 0..4),
        by_bytes in btree_map(vec(any::<u8>(), 0..5).prop_map(Bytes::from), any::<f64>(), 0..4),
        by_nested in btree_map(option::of(option::of(any::<i8>())), Just(()), 0..4),
        by_address in btree_map(addresses(), (addresses(), any::<u16>()).prop_map(SocketAddr::from), 0..4),
        numbers in (any::<u128>(), any::<i64>(), any::<f32>(), any::<f64>()),
    ) -> Everything {
        Everything {
            shapes: Vec::new(), by_text, by_name, by_number, by_key, by_pair, by_bytes, by_nested, by_address, numbers,
        }
    }
}

fn everything() -> impl Strategy<Value = Everything> {
    (maps(), vec(shapes(), 0..4)).prop_map(|(maps, shapes)| Everything { shapes, ..maps })
}

fn written(form: Form, value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    cbor::encode_as(form, value, &mut bytes).unwrap();
    bytes
}

/// Returns the output of a call that returns `value`.
fn printed(value: &impl Serialize) -> String {
    to_json(&cbor::decode::<Value>(&written(Form::Readable, value)).unwrap())
}

/// Returns the argument that a function gets if it is called with `word`.
fn taken<T: DeserializeOwned>(word: &str, wanted: &str) -> T {
    let argument = Reader { readable: true }
        .word(word, &Type::parse(wanted))
        .unwrap();
    cbor::decode_as(Form::Readable, &written(Form::Compact, &argument))
        .unwrap_or_else(|error| panic!("{error}: {word} as {wanted}: {argument:?}"))
}

#[track_caller]
fn assert_taken_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    value: &T,
    type_name: &str,
) {
    let word = printed(value);
    // As a type that is known by its name, and as one that is not.
    for wanted in [type_name, "Own"] {
        assert_eq!(&taken::<T>(&word, wanted), value, "{word} as {wanted}");
    }
}

proptest! {
    #[test]
    fn everything_is_taken_back(value in everything()) {
        prop_assert_eq!(taken::<Everything>(&printed(&value), "Everything"), value);
    }

    #[test]
    fn what_is_known_by_its_type_is_taken_back(value in everything()) {
        assert_taken_back(&value.by_text, "BTreeMap<String, u8>");
        assert_taken_back(&value.by_name, "BTreeMap<Option<Name>, Option<Option<u8>>>");
        let texts = value.by_name.into_iter().map(|(name, number)| (name.map(|Name(name)| name), number));
        let by_text: BTreeMap<Option<String>, _> = texts.collect();
        assert_taken_back(&by_text, "BTreeMap<Option<String>, Option<Option<u8>>>");
        assert_taken_back(&value.by_number, "BTreeMap<i128, Nothing>");
        assert_taken_back(&value.by_key, "BTreeMap<Key, char>");
        assert_taken_back(&value.by_pair, "BTreeMap<(Option<bool>, char), u64>");
        assert_taken_back(&value.by_bytes, "BTreeMap<Bytes, f64>");
        assert_taken_back(&value.by_nested, "BTreeMap<Option<Option<i8>>, ()>");
        assert_taken_back(&value.by_address, "BTreeMap<IpAddr, SocketAddr>");
        assert_taken_back(&value.numbers, "(u128, i64, f32, f64)");
        for bytes in value.by_bytes.keys() {
            assert_taken_back(bytes, "Bytes");
            assert_taken_back(&bytes.to_vec(), "Vec<u8>");
        }
        for text in value.by_text.keys() {
            assert_taken_back(text, "String");
            assert_taken_back(&Some(Some(text.clone())), "Option<Option<String>>");
            if !text.starts_with('"') {
                // Without its quotes, too.
                prop_assert_eq!(&taken::<String>(text, "String"), text);
            }
        }
    }
}

/// Like `assert_taken_back`, for a function that knows only the compact form, as in other
/// languages.
#[track_caller]
fn assert_taken_back_compact<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    value: &T,
    type_name: &str,
) {
    let word = to_json(&cbor::decode::<Value>(&written(Form::Compact, value)).unwrap());
    let argument = Reader { readable: false }
        .word(&word, &Type::parse(type_name))
        .unwrap();
    assert_eq!(
        &cbor::decode::<T>(&written(Form::Compact, &argument)).unwrap(),
        value,
        "{word} as {type_name}"
    );
}

proptest! {
    #[test]
    fn functions_in_other_languages_take_back_what_is_known_by_its_type(value in everything()) {
        assert_taken_back_compact(&value.by_text, "BTreeMap<String, u8>");
        assert_taken_back_compact(&value.by_number, "BTreeMap<i128, Nothing>");
        assert_taken_back_compact(&value.by_pair, "BTreeMap<(Option<bool>, char), u64>");
        assert_taken_back_compact(&value.by_bytes, "BTreeMap<Bytes, f64>");
        assert_taken_back_compact(&value.by_nested, "BTreeMap<Option<Option<i8>>, ()>");
        assert_taken_back_compact(&value.numbers, "(u128, i64, f32, f64)");
    }
}

#[test]
fn numbers_that_are_none_are_taken_back() {
    for number in [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        0.1,
        1e300,
        f64::MIN_POSITIVE,
    ] {
        for wanted in ["f64", "Own"] {
            assert_eq!(
                taken::<f64>(&printed(&number), wanted).to_bits(),
                number.to_bits(),
                "{number} as {wanted}"
            );
        }
    }
}

#[test]
fn a_key_keeps_the_quotes_that_it_has() {
    for name in ["\t\"\"", "\"a\"", " \"b\" ", "null ", "{}"] {
        let names = BTreeMap::from([(Some(Name(name.into())), 1_u8)]);
        assert_taken_back(&names, "BTreeMap<Option<Name>, u8>");
        let with_none = BTreeMap::from([(Some(Name(name.into())), 1_u8), (None, 2)]);
        assert_taken_back(&with_none, "BTreeMap<Option<Name>, u8>");
    }
    let both = BTreeMap::from([(Some(Name("null".into())), 1_u8), (None, 2)]);
    assert_taken_back(&both, "BTreeMap<Option<Name>, u8>");
}
