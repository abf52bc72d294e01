//! Words and JSON, read for parameters of all types.

use super::*;

fn from_word(word: &str, wanted: &Type) -> Result<Value, Mismatch> {
    Reader { readable: false }.word(word, wanted)
}

/// Returns the JSON of what `word` becomes for a parameter of the type `wanted`.
fn read(word: &str, wanted: &str) -> Result<String, Mismatch> {
    from_word(word, &Type::parse(wanted)).map(|value| to_json(&value))
}

#[test]
fn bare_words_are_texts_where_texts_are_wanted() {
    for wanted in [
        "String",
        "&str",
        "Cow<'_, str>",
        "&std::path::Path",
        "Option<String>",
    ] {
        assert_eq!(read("to be", wanted).unwrap(), r#""to be""#, "{wanted}");
        assert_eq!(
            read(r#""to\nbe""#, wanted).unwrap(),
            r#""to\nbe""#,
            "{wanted}"
        );
        assert_eq!(read("17", wanted).unwrap(), r#""17""#, "{wanted}");
        assert!(
            matches!(read(r#""open"#, wanted), Err(Mismatch::NotJson(_))),
            "{wanted}"
        );
    }
    assert_eq!(read("", "String").unwrap(), r#""""#);
    assert_eq!(read("null", "String").unwrap(), r#""null""#);
    assert_eq!(read("null", "Option<String>").unwrap(), "null");
    assert_eq!(read("é", "char").unwrap(), r#""é""#);
    assert!(read("ab", "char").is_err());
}

#[test]
fn numbers_have_ranges() {
    for (word, wanted) in [
        ("255", "u8"),
        ("-128", "i8"),
        ("0", "usize"),
        ("18446744073709551615", "u64"),
        ("-1", "isize"),
        ("340282366920938463463374607431768211455", "u128"),
        ("-170141183460469231731687303715884105728", "i128"),
    ] {
        assert_eq!(read(word, wanted).unwrap(), word, "{wanted}");
    }
    for (word, wanted) in [
        ("256", "u8"),
        ("-129", "i8"),
        ("-1", "usize"),
        ("1.0", "u32"),
        ("\"1\"", "u32"),
        ("true", "u32"),
        ("null", "u32"),
        ("18446744073709551616", "u64"),
        ("-9223372036854775809", "i64"),
        ("170141183460469231731687303715884105728", "i128"),
    ] {
        assert_eq!(
            read(word, wanted),
            Err(Mismatch::OtherType),
            "{word} as {wanted}"
        );
    }
    assert!(matches!(read("x", "usize"), Err(Mismatch::NotJson(_))));
}

#[test]
fn whole_numbers_become_floats() {
    assert_eq!(from_word("1", &Type::Float), Ok(Value::Float(1.0)));
    assert_eq!(
        from_word("[1, 2.5]", &Type::parse("Vec<f32>")),
        Ok(Value::Array(vec![1.0.into(), 2.5.into()]))
    );
}

#[test]
fn floats_are_written_in_many_ways() {
    for (word, printed) in [
        ("0.1", "0.1"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("-1e-3", "-0.001"),
        ("NaN", "\"NaN\""),
        ("\"NaN\"", "\"NaN\""),
        ("-inf", "\"-Infinity\""),
        ("\"Infinity\"", "\"Infinity\""),
    ] {
        assert_eq!(read(word, "f32").unwrap(), printed, "{word}");
    }
    assert_eq!(read(r#"[1,"NaN"]"#, "Vec<f64>").unwrap(), r#"[1.0,"NaN"]"#);
    assert!(matches!(read("1e999", "f64"), Err(Mismatch::Refused(_))));
    assert_eq!(read("\"x\"", "f64"), Err(Mismatch::OtherType));
}

#[test]
fn bytes_come_as_text_list_or_file() {
    let bytes = Ok(Value::Bytes(vec![104, 105]));
    for wanted in ["Bytes", "wxec::Bytes", "&[u8]"] {
        for word in ["hi", r#""aGk=""#, "[104, 105]"] {
            assert_eq!(
                from_word(word, &Type::parse(wanted)),
                bytes,
                "{word} as {wanted}"
            );
        }
        assert!(matches!(
            from_word("@/nonexistent", &Type::parse(wanted)),
            Err(Mismatch::File(_))
        ));
        assert_eq!(
            from_word("[256]", &Type::parse(wanted)),
            Err(Mismatch::OtherType)
        );
        let text = from_word(r#""hi""#, &Type::parse(wanted)).unwrap_err();
        let reason = "\"hi\" is no base64, as bytes are in JSON; a bare word, without quotes, is taken as it is";
        assert_eq!(text, Mismatch::Refused(reason.into()));
    }
    assert_eq!(read("hi", "Vec<u8>").unwrap(), "[104,105]");
    assert_eq!(read("abcd", "[u8; 4]").unwrap(), "[97,98,99,100]");
    assert!(read("abc", "[u8; 4]").is_err());
}

#[test]
fn what_is_nested_is_checked() {
    for (word, wanted) in [
        (r#"[["a",2],["b",null]]"#, "Vec<(String, Option<u8>)>"),
        (r#"{"1":[true]}"#, "BTreeMap<u16, Vec<bool>>"),
        (r#"{"a":{"any":[1]}}"#, "HashMap<String, Person>"),
        ("[]", "Vec<String>"),
        ("null", "()"),
        ("null", "Option<Vec<u8>>"),
    ] {
        assert_eq!(read(word, wanted).unwrap(), word, "{wanted}");
    }
    for (word, wanted) in [
        ("{}", "Vec<u16>"),
        ("[1]", "HashMap<String, u8>"),
        ("0", "()"),
    ] {
        assert_eq!(
            read(word, wanted),
            Err(Mismatch::OtherType),
            "{word} as {wanted}"
        );
    }
    for (word, wanted, path, found) in [
        (r#"[["a",256]]"#, "Vec<(String, u8)>", "[0][1]", "256"),
        (r#"[["a"]]"#, "Vec<(String, u8)>", "[0]", r#"["a"]"#),
        (r#"{"x":1}"#, "BTreeMap<u16, u8>", ".x", "\"x\""),
        (
            r#"{"a b":[true,null]}"#,
            "BTreeMap<String, Vec<bool>>",
            "[\"a b\"][1]",
            "null",
        ),
    ] {
        let mismatch = Mismatch::Within {
            path: path.into(),
            found: found.into(),
        };
        assert_eq!(read(word, wanted), Err(mismatch), "{word} as {wanted}");
    }
}

#[test]
fn a_refusal_says_where() {
    let mismatch = from_word(
        r#"{"a":["aGk=","hi"]}"#,
        &Type::parse("BTreeMap<String, Vec<Bytes>>"),
    )
    .unwrap_err();
    let Mismatch::RefusedWithin { path, reason } = mismatch else {
        panic!("{mismatch:?}")
    };
    assert_eq!(path, ".a[1]");
    assert_eq!(reason, "\"hi\" is no base64, as bytes are in JSON");
}

#[test]
fn options_of_options_are_told_apart() {
    let nested = "Option<Option<u32>>";
    for (word, cbor) in [
        ("null", Value::Null),
        (
            r#"{"Some":null}"#,
            Value::Tag(cbor::SOME_TAG, Value::Null.into()),
        ),
        (r#"{"Some":5}"#, 5.into()),
        ("5", 5.into()),
    ] {
        assert_eq!(from_word(word, &Type::parse(nested)), Ok(cbor), "{word}");
    }
    let readable = Reader { readable: true }
        .word(r#"{"Some":null}"#, &Type::parse(nested))
        .unwrap();
    assert_eq!(
        to_json(&readable),
        r#"{"Some":null}"#,
        "as the function reads it"
    );
}

#[test]
fn a_function_chooses_between_a_word_and_its_json() {
    let read = |word: &str| Reader { readable: true }.word(word, &Type::Any);
    let written = |tag, parts: Vec<Value>| Value::Tag(tag, Value::Array(parts).into());
    assert_eq!(read("::1"), Ok(written(cbor::WORD_TAG, vec!["::1".into()])));
    assert_eq!(
        read("17"),
        Ok(written(cbor::WORD_TAG, vec!["17".into(), 17.into()]))
    );
    assert_eq!(read("\"17\""), Ok("17".into()));
    assert!(matches!(read("{\"a\":"), Err(Mismatch::NotJson(_))));
    let key = written(cbor::KEY_TAG, vec!["1".into(), 1.into()]);
    let inner = Value::Map(vec![(key, true.into())]);
    assert_eq!(
        read(r#"[{"m":{"1":true}}]"#),
        Ok(Value::Array(vec![Value::Map(vec![("m".into(), inner)])]))
    );
}

#[test]
fn types_we_do_not_know_take_any_json() {
    assert_eq!(
        read(r#"{"b":[1,2.0],"a":"x"}"#, "Person").unwrap(),
        r#"{"b":[1,2.0],"a":"x"}"#
    );
    assert!(matches!(read("word", "Person"), Err(Mismatch::NotJson(_))));
}
