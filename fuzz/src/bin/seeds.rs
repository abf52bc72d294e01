//! Writes the seeds of fuzzing into the corpora: conversations, their ends' real messages, and
//! values and records of every kind.
//!
//! Run this in this folder after a change to steps, messages or records: `cargo run --bin seeds`.

use std::{fs, io, path::Path};

use ciborium::Value;
use wxec_fuzz::{Damage, End, Said, Step, talk};
use wxec_protocol::{
    CallErrorKind, Digest,
    abi::{self, Function, Panic, Parameter, TaskFailure, Wants},
    cbor,
};

use End::{Agent, Controller};

fn main() -> io::Result<()> {
    for (name, script) in CONVERSATIONS {
        let steps = steps(script);
        let bytes = steps
            .iter()
            .flat_map(|step| step.bytes())
            .collect::<Vec<_>>();
        write("honest_ends", name, &bytes)?;
        for (target, from) in [("controller_hears", Agent), ("agent_hears", Controller)] {
            // Does nothing itself; the fuzzer can change it.
            let tamper = Step::Tamper {
                from,
                damage: Damage::Swap,
                frame: 0,
                at: 0,
                byte: 0,
            };
            let tampered = steps.iter().flat_map(|step| [tamper, *step]);
            write(
                target,
                name,
                &tampered.flat_map(Step::bytes).collect::<Vec<_>>(),
            )?;
        }
        let conversation = talk(&steps, None).expect("both ends keep the rules");
        for (end, hearing) in [(Agent, 0), (Controller, 1)] {
            // The receiver of the rest has been greeted already, by an end of its own build.
            let sent: Vec<_> = conversation.sent(end).skip(1).collect();
            write(
                "frames",
                &format!("{name}-{hearing}"),
                &[&[hearing, 7][..], &sent.concat()].concat(),
            )?;
        }
    }
    for (name, value) in values() {
        write("cbor", name, &value)?;
    }
    write("descriptors", "records", &records())?;
    let artifact = b"an artifact".as_slice();
    write(
        "cache_entries",
        "entry",
        &[Digest::of(artifact).as_bytes(), artifact].concat(),
    )
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join(name), bytes)
}

/// Conversations by name. Each action has `which` and `amount`; everything sent arrives at a `;`.
const CONVERSATIONS: [(&str, &str); 14] = [
    (
        "provided",
        "Call 0 5; Need; Provide; Output 0 20; Return 0 3",
    ),
    ("refused", "Call 0 5; Need; Refuse; Fail 0 9"),
    ("from_hop", "Call 0 5; Need; ProvideFromHop; Return"),
    ("damaged", "Call 0 5; Need; ProvideDamaged; Provide; Return"),
    (
        "again",
        "Call 0; Need; Provide; Call 0; Need 1; Provide; Call 0; Need 2; Provide; Call 0; Need 3; Provide; Return",
    ),
    (
        "long",
        "Call 1 250;; Need; Provide; Output 0 248; Return 0 253;;",
    ),
    ("too_long", "Call 0 255;;"),
    ("cancelled", "Call; Cancel; Fail"),
    ("cancelled_arriving", "Call 0 250 + Cancel;"),
    ("cancelled_returning", "Call; Return 0 255; Cancel;"),
    (
        "streams",
        "Start + StartWithTerminal + Send 0 99 + Splice 2 50; agent Send 1 90 + agent Take 0 99 + Take 1 90; Finish",
    ),
    (
        "ends",
        "Start; Send 0 9 + Finish; agent Send 0 9 + agent Finish; agent Close 0 2; Close 0",
    ),
    (
        "windows",
        "Start; Send 0 255;;;; agent Take 0 255 + Send 0 255 + agent Send 0 255;;;;; Take 0 255; agent Send 0 255",
    ),
    (
        "questions",
        "AskBlob 0 + SendBlob 1 + AskDescription + Ping; AnswerBlob 0 1 + AnswerBlob + Describe; Bye",
    ),
];

fn steps(script: &str) -> Vec<Step> {
    let carry = |from| Step::Carry {
        from,
        frames: u8::MAX,
        cut: 0,
        part: u8::MAX,
    };
    let mut steps = vec![carry(Controller), carry(Agent)];
    for said in script.split(';') {
        let said = said
            .split('+')
            .map(str::trim)
            .filter(|words| !words.is_empty());
        steps.extend(said.map(|words| say(words).expect(words)));
        steps.extend([carry(Controller), carry(Agent)]);
    }
    steps
}

/// Reads `[agent] Said [which [amount]]`.
fn say(words: &str) -> Option<Step> {
    let (words, either) = match words.strip_prefix("agent ") {
        Some(words) => (words, Agent),
        None => (words, Controller),
    };
    let mut words = words.split(' ');
    let (said, by) = Said::named(words.next()?, either)?;
    let mut number = || words.next().map_or(Some(0), |word| word.parse().ok());
    Some(Step::Say {
        said,
        which: number()?,
        amount: number()?,
        by,
    })
}

fn values() -> Vec<(&'static str, Vec<u8>)> {
    let texts = || Value::Array(vec!["a b".into(), "ü".into()]);
    let map = Value::Map(vec![
        ("n".into(), 1.into()),
        (Value::Null, (-2.5).into()),
        (true.into(), texts()),
    ]);
    let panic = Panic {
        message: "oh".into(),
        file: Some("src/lib.rs".into()),
        line: 7,
        column: 3,
    };
    let failure = TaskFailure {
        type_name: "Error".into(),
        message: "no".into(),
        chain: vec!["because".into()],
        data: Some(vec![1, 2]),
    };
    let call_failed: CallErrorKind<TaskFailure> = CallErrorKind::Panic {
        message: "oh".into(),
        location: Some("src/lib.rs:7:3".into()),
        frames: Vec::new(),
    };
    let encoded = |value: &Value| cbor::encode(value).expect("values encode");
    vec![
        ("map", encoded(&map)),
        (
            "integers",
            encoded(&Value::Array(
                [0, -1, 24, 256, 65_536, i64::MAX, i64::MIN]
                    .map(Value::from)
                    .into(),
            )),
        ),
        (
            "tagged",
            encoded(&Value::Tag(32, Value::Bytes(vec![0; 30]).into())),
        ),
        (
            "indefinite",
            b"\x84\x5f\x41a\x41b\xff\x7f\x61a\xff\x9f\x01\xff\xbf\x01\x02\xff".into(),
        ),
        ("bytes", encoded(&Value::Bytes(vec![7; 300]))),
        ("nested", [&[0x81; 60][..], &[0xf6]].concat()),
        ("panic", cbor::encode(&panic).expect("it encodes")),
        ("failure", cbor::encode(&failure).expect("it encodes")),
        (
            "call_failed",
            cbor::encode(&call_failed).expect("it encodes"),
        ),
        (
            "pairs",
            cbor::encode(&[(1, "one"), (2, "two")]).expect("they encode"),
        ),
    ]
}

fn records() -> Vec<u8> {
    let function = |name: &str, parameters, error: Option<&str>| Function {
        path: String::new(),
        name: name.into(),
        doc: "What it does.".into(),
        parameters,
        returns: "usize".into(),
        error: error.map(Into::into),
        wants: Wants {
            run: vec!["ls".into()],
            ..Wants::default()
        },
        readable: true,
        plan: None,
    };
    let parameter = Parameter {
        name: "text".into(),
        type_name: "&str".into(),
    };
    [
        abi::record(
            "words::stats",
            &function("count", vec![parameter], Some("Error")),
        ),
        abi::record("", &function("f", Vec::new(), None)),
    ]
    .concat()
}
