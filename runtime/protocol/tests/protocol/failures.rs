//! Reasons why calls fail: their texts and advice, on both sides of a call, and the faults that they
//! stand for.

use std::time::Duration;

use wxec_protocol::{
    CallError, CallErrorKind, Fault, LimitKind, Need, Phase, Unreachable,
    abi::{Panic, TaskFailure},
    cbor::{self, DecodeError, EncodeError},
};

type Kind = CallErrorKind<TaskFailure>;

fn failure(message: &str) -> TaskFailure {
    TaskFailure {
        type_name: "app::Odd".into(),
        message: message.into(),
        chain: vec!["its source".into()],
        data: Some(cbor::encode(&7).unwrap()),
    }
}

/// Decodes the task's error if it is a number.
fn number(failure: TaskFailure) -> Result<u32, TaskFailure> {
    let data = failure.data.as_deref().unwrap_or_default();
    cbor::decode(data).map_err(|_| failure)
}

fn limit(which: LimitKind) -> Kind {
    CallErrorKind::Limit {
        which,
        limit: 10,
        asked: 11,
    }
}

fn denied(needs: &[Need], message: &str) -> Kind {
    CallErrorKind::Denied {
        needs: needs.to_vec(),
        message: message.into(),
    }
}

fn panicked(location: Option<&str>) -> Kind {
    CallErrorKind::Panic {
        message: "m".into(),
        location: location.map(Into::into),
        frames: Vec::new(),
    }
}

fn absent(hint: Option<&str>) -> Kind {
    CallErrorKind::NoSuchFunction {
        function: "f".into(),
        hint: hint.map(Into::into),
    }
}

/// Kinds with the texts and the advice that users see. The advice is empty if there is none.
fn kinds() -> Vec<(Kind, &'static str, &'static str)> {
    use CallErrorKind as Kind;
    let rebuild = "if the task changed, build the calling program again";
    let grant = "declare it in `#[remote(…)]`, or grant it with `Call::grant`";
    let (which, function, reason) = (|which| limit(which), || "f".into(), || "r".into());
    vec![
        (Kind::Task(failure("no")), "the task failed", ""),
        (
            Kind::Failed(failure("no")),
            "the task failed: no: its source",
            "",
        ),
        (panicked(None), "the task panicked: m", ""),
        (
            panicked(Some("a:b.rs:3:7")),
            "the task panicked at a:b.rs:3:7: m",
            "",
        ),
        (
            Kind::Trap {
                reason: reason(),
                frames: Vec::new(),
            },
            "the task trapped: r",
            "",
        ),
        (which(LimitKind::Stack), "stack limit of 10 bytes hit", ""),
        (
            which(LimitKind::Fuel),
            "fuel limit of 10 units hit",
            "raise it with `Limits::fuel` or `--fuel`",
        ),
        (
            which(LimitKind::Input),
            "input limit of 10 bytes hit: 11 bytes were asked for",
            "raise it with `Limits::input_bytes`",
        ),
        (
            which(LimitKind::Memory),
            "memory limit of 10 bytes hit: 11 bytes were asked for",
            "raise it with `Limits::memory_bytes` or `--memory`",
        ),
        (
            which(LimitKind::OpenFiles),
            "open files limit of 10 files hit: 11 files were asked for",
            "raise it with `Limits::open_files` or `--open-files`",
        ),
        (
            denied(&[Need::Clock], ""),
            "not granted: needs a clock, which --no-clock took away",
            "",
        ),
        (
            denied(&[Need::Facts, Need::Host("ssh:db".into())], "m"),
            "not granted: needs --allow-facts --allow-host=ssh:db (the task gave up: m)",
            grant,
        ),
        (
            Kind::Timeout {
                after: Duration::from_millis(200),
                phase: Phase::Run,
            },
            "no answer after 200ms (running the task)",
            "",
        ),
        (Kind::Cancelled, "the call was cancelled", ""),
        (
            Kind::Lost {
                reason: reason(),
                stderr_tail: "a\nb\n".into(),
            },
            "lost while the call was open, its outcome is unknown: r (its last line: b)",
            "",
        ),
        (
            Kind::Unreachable(
                Unreachable::new(Phase::Connect, "a\nb")
                    .at("bastion")
                    .hint("h"),
            ),
            "unreachable at bastion (connecting): b",
            "h",
        ),
        (
            Kind::InstanceGone { reason: reason() },
            "the instance is gone: r",
            "make another one with `Host::instance`",
        ),
        (
            Kind::OtherModule {
                function: function(),
                module: "m".into(),
            },
            "`f` is not in m, of which the instance is one",
            "",
        ),
        (Kind::NotStarted { reason: reason() }, "r", ""),
        (
            Kind::CannotWrite {
                stream: "stdout".into(),
                reader_gone: true,
                reason: reason(),
            },
            "cannot write to stdout: r",
            "",
        ),
        (absent(None), "the module has no function `f`", rebuild),
        (absent(Some("h")), "the module has no function `f`", "h"),
        (
            Kind::BadArguments(reason()),
            "the arguments do not fit: r",
            "",
        ),
        (Kind::BadModule(reason()), "the module cannot be run: r", ""),
        (
            Kind::Module {
                reason: reason(),
                hint: Some("h".into()),
            },
            "r",
            "h",
        ),
        (
            Kind::Encode(EncodeError::new("r")),
            "an argument cannot be encoded as CBOR: r",
            "",
        ),
        (
            Kind::Decode(DecodeError::Trailing(2)),
            "the result is not of the expected type: 2 bytes after the value",
            rebuild,
        ),
        (Kind::Agent(reason()), "the agent failed: r", ""),
    ]
}

#[test]
fn a_failure_has_the_same_text_and_advice_wherever_it_arrives() {
    for (kind, text, hint) in kinds() {
        let arrived: Kind = cbor::decode(&cbor::encode(&kind).unwrap()).unwrap();
        assert_eq!(arrived, kind);
        assert_eq!(arrived.to_string(), text);
        assert_eq!(arrived.hint().unwrap_or_default(), hint, "{text}");
        let error = CallError::new("web1".into(), arrived).decode_task(Err::<u32, _>);
        let erased = error.erase();
        assert_eq!(erased.to_string(), error.to_string());
        assert_eq!(erased.hint(), error.hint());
    }
}

#[test]
fn a_panic_keeps_its_place() {
    let panic = Panic {
        message: "m".into(),
        file: Some("a:b.rs".into()),
        line: 3,
        column: 7,
    };
    let fault = |panic| Fault::Panic {
        panic,
        frames: Vec::new(),
    };
    assert_eq!(
        Kind::from(fault(panic.clone())),
        panicked(Some("a:b.rs:3:7"))
    );
    let nowhere = Panic {
        file: None,
        ..panic
    };
    assert_eq!(Kind::from(fault(nowhere)), panicked(None));
}

#[test]
fn the_error_of_a_task_is_decoded_for_those_who_know_its_type() {
    let fault = Fault::Task(cbor::encode(&failure("odd")).unwrap());
    let known = CallError::from_fault("web1".into(), fault.clone(), number);
    assert_eq!(known.kind, CallErrorKind::Task(7));
    assert_eq!(known.to_string(), "web1: the task failed: odd: its source");
    let unknown = CallError::from_fault("web1".into(), fault, Err::<u32, _>);
    assert_eq!(unknown.kind, CallErrorKind::Failed(failure("odd")));
    assert_eq!(known.erase().kind, unknown.erase().kind);
    let damaged = CallError::from_fault("web1".into(), Fault::Task(vec![0xff]), number);
    assert!(
        matches!(damaged.kind, CallErrorKind::Decode(_)),
        "{damaged}"
    );
}

#[test]
fn a_task_that_was_refused_something_may_return_its_own_error() {
    let refused = |failure: Option<TaskFailure>| Fault::Denied {
        needs: vec![Need::Facts],
        message: "m".into(),
        failure: failure.map(|failure| cbor::encode(&failure).unwrap()),
    };
    let error = |failure| CallError::from_fault("web1".into(), refused(failure), number).kind;
    assert_eq!(error(Some(failure("odd"))), CallErrorKind::Task(7));
    let unknown = TaskFailure {
        data: None,
        ..failure("odd")
    };
    for failure in [None, Some(unknown)] {
        assert!(matches!(error(failure), CallErrorKind::Denied { .. }));
    }
}
