//! Values of every kind that serde knows: they come out as they went in, in both forms.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use ciborium::Value;
use proptest::{collection::vec, option, prelude::*};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wxec_protocol::cbor::{self, DecodeError, Form};

const FORMS: [Form; 2] = [Form::Compact, Form::Readable];

fn encoded<T: Serialize>(form: Form, value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    cbor::encode_as(form, value, &mut bytes).unwrap();
    bytes
}

/// Encodes and decodes `value`.
fn there<T: Serialize + DeserializeOwned>(form: Form, value: &T) -> T {
    let bytes = encoded(form, value);
    cbor::decode_as(form, &bytes).unwrap_or_else(|error| panic!("{error}: {bytes:x?}"))
}

fn assert_arrives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    for form in FORMS {
        assert_eq!(
            &there(form, value),
            value,
            "{form:?}: {:x?}",
            encoded(form, value)
        );
    }
}

type Nested = Option<Option<Option<u8>>>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Nothing;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Newtype(Nested);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair(Option<()>, Option<Nothing>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    Newtype(Nested),
    Tuple(Option<Option<()>>, char),
    Struct {
        inner: Option<Newtype>,
        bytes: Bytes,
    },
}

/// Names its variants and fields like the mark of a `Some`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Mistakable {
    Some(Option<u8>),
    #[serde(untagged)]
    Struct {
        #[serde(rename = "Some")]
        some: u8,
        other: Option<u8>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    One {
        nested: Nested,
        text: String,
    },
    Two {
        list: Vec<Option<Option<bool>>>,
        unit: Option<()>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flat {
    #[serde(flatten)]
    tagged: Tagged,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    integers: (i8, u16, i64, u64, i128, u128),
    floats: (f32, f64),
    letter: char,
    text: String,
    nested: Vec<Nested>,
    kinds: Vec<Kind>,
    pair: Pair,
    by_option: BTreeMap<Option<String>, Option<()>>,
    by_number: BTreeMap<(i16, Option<bool>), Nested>,
    outcome: Result<Option<()>, Newtype>,
    mistakable: Option<Mistakable>,
}

fn nested() -> impl Strategy<Value = Nested> {
    option::of(option::of(option::of(any::<u8>())))
}

fn newtypes() -> impl Strategy<Value = Newtype> {
    nested().prop_map(Newtype)
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Unit),
        nested().prop_map(Kind::Newtype),
        (option::of(option::of(Just(()))), any::<char>())
            .prop_map(|(unit, letter)| Kind::Tuple(unit, letter)),
        (option::of(newtypes()), vec(any::<u8>(), 0..300)).prop_map(|(inner, bytes)| {
            Kind::Struct {
                inner,
                bytes: bytes.into(),
            }
        }),
    ]
}

fn mistakable() -> impl Strategy<Value = Mistakable> {
    prop_oneof![
        option::of(any::<u8>()).prop_map(Mistakable::Some),
        (any::<u8>(), option::of(any::<u8>()))
            .prop_map(|(some, other)| Mistakable::Struct { some, other }),
    ]
}

prop_compose! {
    fn everything()(
        integers in any::<(i8, u16, i64, u64, i128, u128)>(),
        floats in (any::<f32>(), any::<f64>()),
        letter in any::<char>(),
        text in ".{0,300}",
        nested in vec(nested(), 0..5),
        kinds in vec(kinds(), 0..5),
        pair in (option::of(Just(())), option::of(Just(Nothing))).prop_map(|(unit, nothing)| Pair(unit, nothing)),
        by_option in proptest::collection::btree_map(option::of("null|\"?[a-z]?\"?"), option::of(Just(())), 0..5),
        by_number in proptest::collection::btree_map(any::<(i16, Option<bool>)>(), nested(), 0..5),
        outcome in prop_oneof![option::of(Just(())).prop_map(Ok), newtypes().prop_map(Err)],
        mistakable in option::of(mistakable()),
    ) -> Everything {
        Everything {
            integers, floats, letter, text, nested, kinds, pair, by_option, by_number, outcome, mistakable,
        }
    }
}

fn tagged() -> impl Strategy<Value = Tagged> {
    prop_oneof![
        (nested(), ".{0,9}").prop_map(|(nested, text)| Tagged::One { nested, text }),
        (
            vec(option::of(option::of(any::<bool>())), 0..5),
            option::of(Just(()))
        )
            .prop_map(|(list, unit)| Tagged::Two { list, unit }),
    ]
}

proptest! {
    #[test]
    fn everything_arrives(value in everything()) {
        for form in FORMS {
            prop_assert_eq!(&there(form, &value), &value, "{:?}", form);
            prop_assert_eq!(&there(form, &Some(&value).cloned()), &Some(value.clone()), "{:?}", form);
        }
    }

    /// Serde reads these into a value of its own first, which has no types.
    #[test]
    fn what_serde_buffers_arrives_between_programs(tagged in tagged(), absent in option::of(any::<u8>())) {
        let flat = Flat { tagged, absent };
        prop_assert_eq!(&there(Form::Compact, &flat), &flat);
        prop_assert_eq!(&there(Form::Compact, &Some(&flat.tagged).cloned()), &Some(flat.tagged));
    }

    /// A reader that does not know the type decodes the bytes and encodes them again.
    #[test]
    fn values_without_a_type_lose_nothing(value in everything()) {
        let bytes = encoded(Form::Compact, &value);
        let untyped: Value = cbor::decode(&bytes).unwrap();
        prop_assert_eq!(cbor::decode::<Everything>(&encoded(Form::Compact, &untyped)).unwrap(), value);
    }

    /// Ciborium stands for encoders of other languages.
    #[test]
    fn what_ciborium_writes_is_read(value in everything()) {
        let mut bytes = Vec::new();
        let plain = Everything {
            nested: value.nested.into_iter().filter(|nested| !matches!(nested, Some(None | Some(None)))).collect(),
            kinds: Vec::new(),
            pair: Pair(None, None),
            by_option: BTreeMap::new(),
            by_number: BTreeMap::new(),
            outcome: Ok(None),
            mistakable: None,
            ..value
        };
        ciborium::into_writer(&plain, &mut bytes).unwrap();
        prop_assert_eq!(&cbor::decode::<Everything>(&bytes).unwrap(), &plain);
        let read: Everything = ciborium::from_reader(&*encoded(Form::Compact, &plain)).unwrap();
        prop_assert_eq!(read, plain);
    }
}

#[test]
fn options_are_marked_where_they_would_be_mistaken() {
    let written = |value: Nested| cbor::encode(&value).unwrap();
    assert_eq!(written(None), [0xf6]);
    assert_eq!(written(Some(None)), [0xd8, 122, 0xf6]);
    assert_eq!(written(Some(Some(None))), [0xd8, 122, 0xd8, 122, 0xf6]);
    assert_eq!(written(Some(Some(Some(5)))), [5]);
    assert_eq!(cbor::encode(&Some(())).unwrap(), [0xd8, 122, 0xf6]);

    let readable = |value: Nested| encoded(Form::Readable, &value);
    assert_eq!(readable(Some(None)), b"\xa1\x64Some\xf6");
    assert_eq!(readable(Some(Some(None))), b"\xa1\x64Some\xa1\x64Some\xf6");

    // A mark that was not necessary is accepted.
    assert_eq!(
        cbor::decode::<Nested>(&[0xd8, 122, 5]),
        Ok(Some(Some(Some(5))))
    );
    assert_eq!(
        cbor::decode::<Nested>(&[0xd9, 0, 122, 0xd8, 122, 0xd8, 122, 5]),
        Ok(Some(Some(Some(5))))
    );
    assert_eq!(
        cbor::decode_as::<Nested>(Form::Readable, b"\xa1\x64Some\x05"),
        Ok(Some(Some(Some(5))))
    );
}

#[test]
fn what_may_be_mistaken_is_not() {
    assert_arrives(&Some(Mistakable::Some(None)));
    assert_arrives(&Some(Mistakable::Some(Some(1))));
    assert_arrives(&Some(Mistakable::Struct {
        some: 1,
        other: None,
    }));
    assert_arrives(&Some(BTreeMap::from([("Some".to_owned(), None::<u8>)])));
    let tagged = Value::Tag(cbor::SOME_TAG, Value::Null.into());
    assert_eq!(
        there(Form::Compact, &Some(tagged.clone())),
        Some(tagged.clone())
    );
    assert_eq!(there(Form::Compact, &Some(Value::Null)), Some(Value::Null));
    assert_eq!(there(Form::Compact, &tagged), tagged);
}

#[test]
fn floats_of_all_widths_arrive() {
    for number in [
        0.0,
        -0.0,
        0.1,
        1.0,
        65504.0,
        1e300,
        f64::MIN_POSITIVE,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ] {
        for form in FORMS {
            assert_eq!(
                there(form, &number).to_bits(),
                number.to_bits(),
                "{number} {form:?}"
            );
            #[expect(clippy::cast_possible_truncation, reason = "another number will do")]
            let short = number as f32;
            assert_eq!(
                there(form, &short).to_bits(),
                short.to_bits(),
                "{short} {form:?}"
            );
        }
    }
    let halves = [
        0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3555, 0x3c00, 0x7bff, 0x7c00, 0xfc00, 0xc000,
    ];
    for bits in halves {
        let bytes = [&[0xf9][..], &u16::to_be_bytes(bits)].concat();
        let expected: f64 = ciborium::from_reader(&*bytes).unwrap();
        assert_eq!(
            cbor::decode::<f64>(&bytes).unwrap().to_bits(),
            expected.to_bits(),
            "{bits:x}"
        );
    }
    assert!(cbor::decode::<f64>(&[0xf9, 0x7e, 0]).unwrap().is_nan());
    assert_eq!(
        cbor::decode::<f64>(&[0x20]),
        Ok(-1.0),
        "a whole number is one"
    );
    assert_eq!(there(Form::Readable, &Value::Float(0.1)), Value::Float(0.1));
    assert_eq!(
        cbor::decode_as::<Value>(Form::Readable, &encoded(Form::Readable, &0.1_f32)),
        Ok(Value::Float(0.1))
    );
}

#[test]
fn what_is_text_to_people_is_text_in_the_readable_form() {
    let address = IpAddr::from([127, 0, 0, 1]);
    assert_arrives(&address);
    assert_arrives(&Some(SocketAddr::from((address, 80))));
    assert_arrives(&HashMap::from([(
        Ipv4Addr::LOCALHOST,
        Duration::from_millis(1500),
    )]));
    assert_eq!(encoded(Form::Readable, &address), b"\x69127.0.0.1");
    assert_eq!(
        encoded(Form::Compact, &address),
        b"\xa1\x62V4\x84\x18\x7f\x00\x00\x01"
    );
}

/// `text` as a word of a command line, or as a key.
fn written(tag: u64, text: &str, json: Option<Value>) -> Value {
    Value::Tag(
        tag,
        Value::Array([Some(text.into()), json].into_iter().flatten().collect()).into(),
    )
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    cbor::decode_as(Form::Readable, &cbor::encode(value).unwrap())
        .map_err(|error| error.to_string())
}

#[test]
fn a_word_is_its_text_or_what_it_is_as_json() {
    let word = |text, json| written(cbor::WORD_TAG, text, json);
    let number = word("17", Some(17.into()));
    assert_eq!(read(&number), Ok("17".to_owned()));
    assert_eq!(read(&number), Ok(17_u8));
    assert_eq!(read(&number), Ok(17.0_f64));
    assert_eq!(read(&number), Ok(Some(Some(17_u8))));
    assert_eq!(read(&number), Ok(Some("17".to_owned())));
    assert_eq!(read(&number), Ok(Bytes::from_static(b"17")));
    assert_eq!(read(&number), Ok(Value::from(17)));
    assert_eq!(read(&word("null", Some(Value::Null))), Ok(None::<String>));
    assert_eq!(
        read(&word("null", Some(Value::Null))),
        Ok("null".to_owned())
    );
    assert_eq!(read(&word("Unit", None)), Ok(Kind::Unit));
    assert_eq!(read(&word("true", Some(true.into()))), Ok(true));
    assert_eq!(read(&word("NaN", None)).map(f64::is_nan), Ok(true));
    assert_eq!(
        read(&word("::1", None)),
        Ok("::1".parse::<IpAddr>().unwrap())
    );
    assert_eq!(
        read::<u8>(&word("a", None)),
        Err("invalid type: string \"a\", expected u8".into())
    );
    let unknown = "unknown variant `A`, expected one of `Unit`, `Newtype`, `Tuple`, `Struct`";
    assert_eq!(read::<Kind>(&word("A", None)), Err(unknown.into()));

    // Between programs this tag means nothing, like other unknown tags.
    assert!(cbor::decode::<u8>(&cbor::encode(&number).unwrap()).is_err());
}

#[test]
fn keys_are_of_any_type() {
    let map = |text, json| Value::Map(vec![(written(cbor::KEY_TAG, text, json), "x".into())]);
    let one = map("1", Some(1.into()));
    assert_eq!(read(&one), Ok(BTreeMap::from([(1_u32, 'x')])));
    assert_eq!(read(&one), Ok(BTreeMap::from([("1".to_owned(), 'x')])));
    assert_eq!(read(&one), Ok(Value::Map(vec![("1".into(), "x".into())])));
    let pair = map("[1,null]", Some(Value::Array(vec![1.into(), Value::Null])));
    assert_eq!(
        read(&pair),
        Ok(BTreeMap::from([((1_i8, None::<bool>), 'x')]))
    );
    assert_eq!(
        read(&map("null", Some(Value::Null))),
        Ok(BTreeMap::from([(None::<String>, 'x')]))
    );
    assert_eq!(
        read(&map("\"null\"", Some("null".into()))),
        Ok(BTreeMap::from([(Some("null".to_owned()), 'x')]))
    );
    assert_eq!(
        read(&map("1234", Some(1234.into()))),
        Ok(BTreeMap::from([(Bytes::from(vec![215, 109, 248]), 'x')]))
    );
    let error = read::<BTreeMap<u8, char>>(&map("300", Some(300.into()))).unwrap_err();
    assert_eq!(
        error,
        "at `[\"300\"]`: invalid value: integer `300`, expected u8"
    );
}

#[test]
fn bytes_may_be_a_text_in_base64_to_people() {
    assert_eq!(read(&"AQI=".into()), Ok(Bytes::from_static(&[1, 2])));
    assert_eq!(read(&"".into()), Ok(Bytes::new()));
    for text in ["AQI", "AQJ=", "hi", "=", "====", "A===", "é+=="] {
        assert_eq!(
            read::<Bytes>(&text.into()),
            Err(format!("{text:?} is no base64"))
        );
    }
    assert!(cbor::decode::<Bytes>(&cbor::encode("AQI=").unwrap()).is_err());
}

#[test]
fn an_error_says_where() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is never decoded")]
    struct Config {
        shapes: Vec<Kind>,
        names: BTreeMap<String, (u8, u8)>,
    }

    let config = |shapes: Value, names: Value| {
        let config = Value::Map(vec![("shapes".into(), shapes), ("names".into(), names)]);
        cbor::decode::<Config>(&cbor::encode(&config).unwrap())
            .unwrap_err()
            .to_string()
    };
    let none = || Value::Array(Vec::new());
    let names = |name: &str, pair: &[u16]| {
        let pair = pair.iter().map(|number| Value::from(*number)).collect();
        Value::Map(vec![(name.into(), Value::Array(pair))])
    };
    assert_eq!(
        config(none(), names("web 1", &[1, 256])),
        "at `.names[\"web 1\"][1]`: invalid value: integer `256`, expected u8"
    );
    assert_eq!(
        config(none(), names("a", &[1, 2, 3])),
        "at `.names.a`: more items than the 2 that are wanted"
    );
    assert_eq!(
        config(
            Value::Array(vec![
                "Unit".into(),
                Value::Map(vec![("Tuple".into(), 1.into())])
            ]),
            none()
        ),
        "at `.shapes[1].Tuple`: invalid type: integer `1`, expected tuple variant Kind::Tuple"
    );
    assert_eq!(
        cbor::decode::<Config>(&[0xa0]).unwrap_err(),
        DecodeError::Type("missing field `shapes`".into()),
        "of the value itself"
    );
}

#[test]
fn long_texts_are_borrowed_bytes_of_any_length() {
    for length in [0, 4095, 4096, 4097, 70_000] {
        let text = "a".repeat(length);
        let value = (
            std::borrow::Cow::from(&*text),
            serde_bytes::ByteBuf::from(vec![1; length]),
            text.clone(),
        );
        assert_arrives(&value);
    }
}

/// Wraps itself, and leaves no trace of that in CBOR.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Endless(Option<Box<Self>>);

#[derive(Debug, Serialize, Deserialize)]
struct List {
    next: Option<Box<Self>>,
}

#[test]
fn nothing_nests_without_an_end() {
    let endless = |depth| (0..depth).fold(Endless(None), |inner, _| Endless(Some(inner.into())));
    assert_arrives(&endless(200));
    assert!(
        cbor::encode(&endless(400))
            .unwrap_err()
            .to_string()
            .contains("deeper than 128 levels")
    );
    assert_eq!(
        cbor::decode::<Endless>(&[1]),
        Err(DecodeError::TooDeep),
        "a number is no end of it"
    );

    let list = |depth| {
        (1..depth).fold(List { next: None }, |next, _| List {
            next: Some(next.into()),
        })
    };
    for form in FORMS {
        there(form, &list(cbor::MAX_DEPTH));
    }
    assert!(cbor::encode(&list(cbor::MAX_DEPTH + 1)).is_err());
    let deep = [&b"\xa1\x64next".repeat(cbor::MAX_DEPTH + 1)[..], &[0xa0]].concat();
    assert_eq!(
        cbor::decode::<List>(&deep).unwrap_err(),
        DecodeError::TooDeep
    );
}

#[test]
fn variants_have_the_content_they_ought_to() {
    let decoded = |value: Value| cbor::decode::<Kind>(&cbor::encode(&value).unwrap());
    let variant = |name: &str, content: Value| Value::Map(vec![(name.into(), content)]);
    assert_eq!(decoded(variant("Unit", Value::Null)), Ok(Kind::Unit));
    for value in [
        "Newtype".into(),
        variant("Unit", 1.into()),
        Value::Map(Vec::new()),
        Value::Null,
    ] {
        decoded(value).unwrap_err();
    }
    let open = b"\xbf\x67Newtype\x01\xff";
    assert_eq!(cbor::decode(open), Ok(Kind::Newtype(Some(Some(Some(1))))));
}
