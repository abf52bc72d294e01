//! Values of every kind: between programs, and on the command line, both ways.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use values::{
    Diary, Everything, Level, Name, Nest, Nothing, Shape,
    crates::{
        time::{Date, Month, OffsetDateTime},
        uuid::Uuid,
    },
};
use wxec::{Bytes, CallErrorKind, Host, call::Value, cbor, channel::RecvError};

use crate::harness::{Cli, Ended};

fn local() -> Host {
    Host::new("local:").unwrap()
}

fn call(function: &str, arguments: &[&str]) -> Ended {
    let command = ["-q", "call", "local:", function];
    Cli::new(command.iter().chain(arguments)).run()
}

/// Returns what a successful call prints.
#[track_caller]
fn printed(function: &str, arguments: &[&str]) -> String {
    let ended = call(function, arguments);
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    ended.stdout.trim_end().to_owned()
}

/// Returns what `function`, which gives back its argument, prints; and checks that this, as an
/// argument, is printed again.
#[track_caller]
fn printed_twice(function: &str, argument: &str) -> String {
    let first = printed(function, &[argument]);
    assert_eq!(printed(function, &[&first]), first);
    first
}

fn everything() -> Everything {
    let addresses = [
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    Everything {
        numbers: BTreeMap::from([(1, "a".into()), (20, "b".into())]),
        levels: BTreeMap::from([(Level::Low, false), (Level::High, true)]),
        maybe: [None, Some("null"), Some("\"q\""), Some("{}"), Some("plain")]
            .map(|key| key.map(String::from))
            .into_iter()
            .zip(1..)
            .collect(),
        pairs: BTreeMap::from([((-1, None), Nothing), ((2, Some('"')), Nothing)]),
        hosts: addresses
            .into_iter()
            .map(|address| (address, SocketAddr::from((address, 80))))
            .collect(),
        nested: vec![None, Some(None), Some(Some(3))],
        unit: Some(()),
        shapes: vec![
            Shape::Point,
            Shape::Circle(0.1),
            Shape::Line(i128::MIN, 'é'),
            Shape::Other {
                bytes: Bytes::from_static(b"\xff\0"),
            },
        ],
        digits: (u128::MAX, -1, f32::INFINITY, 0.1),
        name: Name("17".into()),
    }
}

#[test]
fn every_kind_of_value_arrives_between_programs() {
    let host = local();
    for value in [
        everything(),
        Everything {
            unit: None,
            maybe: BTreeMap::new(),
            ..everything()
        },
    ] {
        assert_eq!(
            values::everything::on(&host, value.clone()).wait().unwrap(),
            value
        );
    }
    for nested in [None, Some(None), Some(Some(1))] {
        assert_eq!(values::nested::on(&host, nested).wait().unwrap(), nested);
    }
}

#[test]
fn items_of_channels_arrive_as_they_were_sent() {
    let (sender, items) = wxec::channel();
    let (passed, received) = wxec::channel();
    let call = values::pass::on(&local(), items, passed).start();
    let address = IpAddr::from(Ipv4Addr::LOCALHOST);
    for item in [None, Some(address)] {
        sender.send(item).unwrap();
        assert_eq!(received.recv().unwrap(), Some(item));
    }
    drop(sender);
    call.wait().unwrap();
    assert!(matches!(received.recv(), Err(RecvError::Ended(_))));
}

#[test]
fn what_is_printed_is_taken_back() {
    let readable = {
        let mut bytes = Vec::new();
        cbor::encode_as(cbor::Form::Readable, &(everything(),), &mut bytes).unwrap();
        cbor::decode::<Value>(&bytes).unwrap()
    };
    let module = wxec::Module::from_package(env!("CARGO_MANIFEST_DIR"), "values").unwrap();
    let arguments = cbor::Readable(readable);
    let value: Value = local()
        .bind(&module)
        .call("everything", &arguments)
        .wait()
        .unwrap();
    let mut bytes = Vec::new();
    cbor::encode_as(cbor::Form::Readable, &value, &mut bytes).unwrap();
    assert_eq!(
        cbor::decode_as::<Everything>(cbor::Form::Readable, &bytes).unwrap(),
        everything()
    );

    let json = concat!(
        r#"{"numbers":{"1":"a","20":"b"},"levels":{"Low":false,"High":true},"#,
        r#""maybe":{"null":1,"{\"Some\":\"\\\"q\\\"\"}":3,"{\"Some\":\"null\"}":2,"plain":5,"{\"Some\":\"{}\"}":4},"#,
        r#""pairs":{"[-1,null]":null,"[2,\"\\\"\"]":null},"#,
        r#""hosts":{"127.0.0.1":"127.0.0.1:80","::1":"[::1]:80"},"#,
        r#""nested":[null,{"Some":null},3],"unit":{"Some":null},"#,
        r#""shapes":["Point",{"Circle":0.1},{"Line":[-170141183460469231731687303715884105728,"é"]},"#,
        r#"{"Other":{"bytes":"/wA="}}],"#,
        r#""digits":[340282366920938463463374607431768211455,-1,"Infinity",0.1],"name":"17"}"#,
    );
    // Keys of the same length have no order among each other.
    let sorted = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
    let first = printed_twice("values::everything", json);
    assert_eq!(sorted(&first), sorted(json));
}

const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

/// The types of the crates `uuid` and `time` are texts only in formats for people.
#[test]
fn numbers_and_dates_of_real_crates_are_text_on_the_command_line() {
    let id = format!("{ID:?}");
    for argument in [
        ID,
        &id,
        "67E5504410B1426F9247BB680E5FE0C8",
        &format!("urn:uuid:{ID}"),
    ] {
        assert_eq!(printed("values::uuid", &[argument]), id, "{argument}");
    }
    for argument in ["2026-02-28", r#""2026-02-28""#] {
        assert_eq!(printed("values::day", &[argument]), r#""2026-02-28""#);
    }
    let json = format!(
        r#"{{"days":{{"2026-02-28":["{ID}"],"2026-03-01":[]}},"seen":{{"{ID}":"2026-02-28 23:59:59.5 +01:00:00"}}}}"#
    );
    assert_eq!(printed_twice("values::diary", &json), json);

    for (function, argument, place) in [
        (
            "values::uuid",
            "67e55044",
            "argument `it` (uuid::Uuid): UUID parsing failed",
        ),
        ("values::day", "2026-02-30", "argument `it` (Date): "),
        (
            "values::diary",
            r#"{"days":{"today":[]},"seen":{}}"#,
            "argument `it` (Diary), at `it.days.today`: ",
        ),
    ] {
        let ended = call(function, &[argument]);
        assert_eq!(ended.exit_code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(place), "{place}: {ended:?}");
    }
}

#[test]
fn numbers_and_dates_of_real_crates_are_compact_between_programs() {
    let id = Uuid::parse_str(ID).unwrap();
    let day = Date::from_calendar_date(2026, Month::February, 28).unwrap();
    let diary = Diary {
        days: BTreeMap::from([(day, vec![id])]),
        seen: BTreeMap::from([
            (
                id,
                Some(OffsetDateTime::from_unix_timestamp(1_772_000_000).unwrap()),
            ),
            (Uuid::nil(), None),
        ]),
    };
    assert_eq!(
        values::diary::on(&local(), diary.clone()).wait().unwrap(),
        diary
    );
    assert_eq!(values::uuid::on(&local(), id).wait().unwrap(), id);

    // A head of one byte, and the 16 bytes of the number; a list of the year and the day in it.
    assert_eq!(
        cbor::encode(&id).unwrap(),
        [&[0x50], id.as_bytes().as_slice()].concat()
    );
    assert_eq!(
        cbor::encode(&day).unwrap(),
        [0x82, 0x19, 0x07, 0xea, 0x18, 59]
    );
}

#[test]
fn a_refusal_names_the_field() {
    let json = |numbers: &str| {
        format!(
            r#"{{"numbers":{numbers},"levels":{{}},"maybe":{{}},"pairs":{{}},"hosts":{{}},"nested":[],"unit":null,
            "shapes":[],"digits":[1,1,1,1],"name":"n"}}"#
        )
    };
    let ended = call("values::everything", &[&json(r#"{"1":"a","x":"b"}"#)]);
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    let place =
        "argument `it` (Everything), at `it.numbers.x`: invalid type: string \"x\", expected u32";
    assert!(ended.stderr.contains(place), "{ended:?}");
    let ended = call("values::everything", &[&json(r#"{"1":true}"#)]);
    assert!(
        ended
            .stderr
            .contains("at `it.numbers[\"1\"]`: invalid type: boolean `true`, expected a string"),
        "{ended:?}"
    );
}

#[test]
fn what_is_text_to_people_is_text_on_the_command_line() {
    for (function, argument, expected) in [
        ("values::address", "127.0.0.1", r#""127.0.0.1""#),
        ("values::address", "::1", r#""::1""#),
        ("values::name", "17", r#""17""#),
        ("values::name", "a name", r#""a name""#),
        ("values::level", "High", r#""High""#),
        ("values::float", "0.1", "0.1"),
        ("values::float", "-1e-3", "-0.001"),
        ("values::double", "-.5", "-0.5"),
        ("values::double", "-inf", r#""-Infinity""#),
        ("values::double", "NaN", r#""NaN""#),
        ("values::double", "1", "1.0"),
        ("values::nested", r#"{"Some":null}"#, r#"{"Some":null}"#),
        ("values::nested", "null", "null"),
        (
            "values::by_name",
            r#"{"null":0.1,"{\"Some\":\"null\"}":1}"#,
            r#"{"null":0.1,"{\"Some\":\"null\"}":1.0}"#,
        ),
        ("faulty::echo", "@/dev/null", r#""""#),
        ("faulty::echo", "as it is", r#""YXMgaXQgaXM=""#),
    ] {
        assert_eq!(
            printed_twice(function, argument),
            expected,
            "{function} {argument}"
        );
    }
    let ended = call("values::level", &["Middle"]);
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("unknown variant `Middle`, expected `Low` or `High`"),
        "{ended:?}"
    );
    let ended = Cli::new(["-q", "call", "local:", "values::pass"])
        .input("null\n::1\n")
        .run();
    assert_eq!(ended.stdout, "{\"Some\":null}\n\"::1\"\n", "{ended:?}");
}

#[test]
fn values_nest_as_deep_as_the_limit_says_and_take_no_stack_beyond_it() {
    let host = local();
    let deepest = Nest::new(cbor::MAX_DEPTH);
    assert_eq!(
        values::nest::on(&host, deepest.clone()).wait().unwrap(),
        deepest
    );
    assert_eq!(
        values::nest_of::on(&host, cbor::MAX_DEPTH).wait().unwrap(),
        deepest
    );

    let error = values::nest::on(&host, Nest::new(cbor::MAX_DEPTH + 1))
        .wait()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it nests deeper than 128 levels"),
        "{error}"
    );
    for depth in [cbor::MAX_DEPTH + 1, 5_000] {
        let error = values::nest_of::on(&host, depth).wait().unwrap_err();
        assert!(
            error
                .to_string()
                .contains("it nests deeper than 128 levels"),
            "{error}"
        );
    }

    let json = |depth| "[".repeat(depth) + "1" + &"]".repeat(depth);
    assert_eq!(
        printed("values::nest", &[&json(cbor::MAX_DEPTH)]),
        json(cbor::MAX_DEPTH)
    );
    for depth in [cbor::MAX_DEPTH + 1, 50_000] {
        let ended = call("values::nest", &[&json(depth)]);
        assert_eq!(ended.exit_code, Some(2), "{ended:?}");
        assert!(
            ended.stderr.contains("it nests deeper than 128 levels"),
            "{ended:?}"
        );
    }
}

#[test]
fn an_alias_of_a_result_is_one() {
    let host = local();
    assert_eq!(values::alias::on(&host, false).wait().unwrap(), 1);
    let error = values::alias::on(&host, true).wait().unwrap_err();
    assert!(
        matches!(error.kind, CallErrorKind::Task(Nothing)),
        "{error:?}"
    );
    let lines = values::lines::on(&host, false).wait().unwrap();
    assert_eq!(lines.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    let error = values::lines::on(&host, true).wait().unwrap_err();
    assert!(
        matches!(error.kind, CallErrorKind::Task(Nothing)),
        "{error:?}"
    );

    assert_eq!(printed("values::alias", &["false"]), "1");
    let ended = call("values::alias", &["true"]);
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(1), ""),
        "{ended:?}"
    );
    assert_eq!(printed("values::lines", &["false"]), "\"a\"\n\"b\"");
    assert_eq!(printed("values::send", &[]), "\"sent\"");

    let module = wxec::Module::from_package(env!("CARGO_MANIFEST_DIR"), "values").unwrap();
    let shown = |name: &str| module.function(name).unwrap().to_string();
    assert_eq!(shown("alias"), "values::alias(fails: bool) -> Outcome<u8>");
    assert_eq!(
        module.function("alias").unwrap().error.as_deref(),
        Some("Outcome<u8>::Err")
    );
}

#[test]
fn a_variable_without_a_name_is_refused() {
    for variable in ["=x", ""] {
        let ended = Cli::new(["exec", "local:", "--env", variable, "--", "true"]).run();
        assert_eq!(ended.exit_code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("a variable has a name"), "{ended:?}");
    }
}
