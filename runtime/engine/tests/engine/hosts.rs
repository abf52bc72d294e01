use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use wxec_engine::{Asking, Completion, HostServices, Program, Request, Sandbox};
use wxec_protocol::{
    Ask, Facts, Fault, Grants, Limits, MAX_ADDRESS_BYTES, MAX_ASK_BYTES, Need, Terms,
    abi::{HostCall, HostError},
    cbor,
};

use crate::{PATIENCE, Recorder, load, runs_until};

/// Tasks that ask as their input says, with the arguments "args"; that ask for facts; that ask with
/// two mebibytes; and one that lies about its arguments. Each writes the number it got, and the
/// reply. One gives up when it is refused.
const ASKING: &str = r#"(module
    (import "wxec_v1" "input_len" (func $input_len (result i32)))
    (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (import "wxec_v1" "reply_len" (func $reply_len (result i32)))
    (import "wxec_v1" "reply_read" (func $reply_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "host_facts" (func $host_facts (result i32)))
    (import "wxec_v1" "host_call" (func $host_call (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 50)
    (data (i32.const 0) "args")
    (func $call (param $input i32) (param $length i32) (result i32)
        (drop (call $input_read (i32.const 0) (i32.const 1024) (call $input_len)))
        (call $host_call (i32.const 1024) (call $input_len) (local.get $input) (local.get $length)))
    (func $tell (param $number i32) (result i32)
        (i32.store8 (i32.const 512) (local.get $number))
        (call $output_write (i32.const 512) (i32.const 1))
        (drop (call $reply_read (i32.const 0) (i32.const 8192) (call $reply_len)))
        (call $output_write (i32.const 8192) (call $reply_len))
        (i32.const 0))
    (func (export "wx1_ask") (result i32) (call $tell (call $call (i32.const 0) (i32.const 4))))
    (func (export "wx1_much") (result i32) (call $tell (call $call (i32.const 0) (i32.const 2097152))))
    (func (export "wx1_lie") (result i32) (call $tell (call $call (i32.const -1) (i32.const 4))))
    (func (export "wx1_facts") (result i32) (call $tell (call $host_facts)))
    (func (export "wx1_give_up") (result i32)
        (if (i32.lt_s (call $call (i32.const 0) (i32.const 4)) (i32.const 0)) (then unreachable))
        (i32.const 0))
    (func (export "wx1_go_on") (result i32)
        (drop (call $call (i32.const 0) (i32.const 4)))
        (i32.const 0)))"#;

/// Services that give every ask the same answer, or none.
struct Around {
    asked: Mutex<Vec<Ask>>,
    answer: Option<Result<Bytes, Bytes>>,
}

impl Around {
    fn answering(answer: Option<Result<Bytes, Bytes>>) -> Arc<Self> {
        Arc::new(Self {
            asked: Mutex::default(),
            answer,
        })
    }

    /// Waits for that number of asks.
    async fn is_asked(&self, times: usize) {
        let started = Instant::now();
        while self.asked.lock().unwrap().len() < times {
            assert!(started.elapsed() < PATIENCE, "it is not asked");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl HostServices for Around {
    fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        facts.hostname = "web1".into();
        facts
    }

    fn ask(&self, question: Ask) -> Asking {
        self.asked.lock().unwrap().push(question);
        match self.answer.clone() {
            Some(answer) => Box::pin(async { Some(answer) }),
            None => Box::pin(pending()),
        }
    }
}

struct Fixture {
    sandbox: Sandbox,
    program: Program,
}

impl Fixture {
    fn new() -> Self {
        let sandbox = Sandbox::new().unwrap();
        let program = load(&sandbox, ASKING).unwrap();
        Self { sandbox, program }
    }

    async fn run(&self, request: Request) -> Completion {
        self.sandbox
            .run(&self.program, request, Arc::<Recorder>::default())
            .await
    }

    /// Returns the number that a task got, and the reply.
    async fn told(&self, function: &str, around: &Arc<Around>) -> (i8, Bytes) {
        let mut value = self
            .run(asking(function, "ssh:db", around))
            .await
            .outcome
            .unwrap();
        let number = value.split_to(1);
        (number[0].cast_signed(), value)
    }
}

fn granted() -> Grants {
    Grants::none().host("ssh:db").facts()
}

/// Builds a call that may use `ssh:db`, of a task that asks for `address`.
fn asking(function: &str, address: &str, around: &Arc<Around>) -> Request {
    let question = HostCall {
        address: address.into(),
        function: "words::count".into(),
        timeout_ms: Some(7),
    };
    Request {
        terms: granted().into(),
        host_services: Some(around.clone()),
        ..Request::new(function, cbor::encode(&question).unwrap())
    }
}

#[tokio::test]
async fn what_a_guest_may_ask_for_is_asked_and_answered() {
    let fixture = Fixture::new();
    let around = Around::answering(Some(Ok("value".into())));
    assert_eq!(fixture.told("ask", &around).await, (0, "value".into()));
    let question = Ask {
        address: "ssh:db".into(),
        function: "words::count".into(),
        input: "args".into(),
        deadline_ms: Some(7),
    };
    assert_eq!(*around.asked.lock().unwrap(), [question]);

    let error = Around::answering(Some(Err("error".into())));
    assert_eq!(fixture.told("ask", &error).await, (1, "error".into()));
}

/// Services that are going away, and answer nothing.
struct Leaving;

impl HostServices for Leaving {
    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn ask(&self, _: Ask) -> Asking {
        Box::pin(async { None })
    }
}

#[tokio::test]
async fn an_ask_without_an_answer_is_refused() {
    let request = Request {
        host_services: Some(Arc::new(Leaving)),
        ..asking("ask", "ssh:db", &Around::answering(None))
    };
    let mut value = Fixture::new().run(request).await.outcome.unwrap();
    assert_eq!(value.split_to(1)[0].cast_signed(), -1);
    let error: HostError = cbor::decode(&value).unwrap();
    assert_eq!(error.message, "nobody is here to ask");
}

#[tokio::test]
async fn what_it_may_not_is_not_asked() {
    let fixture = Fixture::new();
    let around = Around::answering(Some(Ok("value".into())));
    let need = Need::Host("ssh:other".into());
    match fixture
        .run(asking("give_up", "ssh:other", &around))
        .await
        .outcome
    {
        Err(Fault::Denied { needs, .. }) => assert_eq!(needs, [need]),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        fixture
            .run(asking("go_on", "ssh:other", &around))
            .await
            .outcome,
        Ok(Bytes::new())
    );
    let too_long = "x".repeat(MAX_ADDRESS_BYTES + 1);
    let all = Request {
        terms: Grants::all().into(),
        ..asking("ask", &too_long, &around)
    };
    assert_eq!(fixture.run(all).await.outcome.unwrap()[0], 0xff);
    assert!(around.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn arguments_that_do_not_fit_hit_a_limit() {
    let fixture = Fixture::new();
    let around = Around::answering(Some(Ok("value".into())));
    let (number, reply) = fixture.told("much", &around).await;
    let error: HostError = cbor::decode(&reply).unwrap();
    assert_eq!((number, &*error.kind), (-1, "QuotaExceeded"));
    assert_eq!(
        error.message,
        format!("the input limit of {MAX_ASK_BYTES} bytes does not allow 2097152")
    );
    let outcome = fixture.run(asking("lie", "ssh:db", &around)).await.outcome;
    assert!(
        matches!(&outcome, Err(Fault::Trap { reason, .. }) if reason.contains("beyond the end of memory")),
        "{outcome:?}"
    );
    assert!(around.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_deadline_ends_a_guest_that_waits_for_an_answer() {
    let around = Around::answering(None);
    // Two seconds suffice for the ask, however busy the machine.
    let limits = Limits {
        deadline_ms: Some(2000),
        ..Limits::default()
    };
    let call = Fixture::new()
        .run(Request {
            terms: Terms {
                limits,
                grants: granted(),
                ..Terms::default()
            },
            ..asking("ask", "ssh:db", &around)
        })
        .await;
    assert_eq!(call.outcome, Err(Fault::Deadline { after_ms: 2000 }));
    assert_eq!(around.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn dropping_a_call_takes_its_ask_back() {
    let fixture = Fixture::new();
    let around = Around::answering(None);
    let mut call = Box::pin(fixture.run(asking("ask", "ssh:db", &around)));
    runs_until("it asks", &mut call, || {
        !around.asked.lock().unwrap().is_empty()
    })
    .await;
    drop(call);
    assert_eq!(
        Arc::strong_count(&around),
        1,
        "nothing of the guest is left"
    );
}

#[tokio::test]
async fn facts_take_a_grant() {
    let fixture = Fixture::new();
    let around = Around::answering(None);
    let (number, reply) = fixture.told("facts", &around).await;
    assert_eq!((number, cbor::decode(&reply)), (0, Ok(around.facts())));

    for (grants, host_services, kind) in [
        (Grants::none().host("*"), Some(around), "PermissionDenied"),
        (Grants::all(), None, "Unsupported"),
    ] {
        let host_services = host_services.map(|around| around as Arc<dyn HostServices>);
        let value = fixture
            .run(Request {
                terms: grants.into(),
                host_services,
                ..Request::new("facts", "")
            })
            .await
            .outcome
            .unwrap();
        assert_eq!(cbor::decode::<HostError>(&value[1..]).unwrap().kind, kind);
    }
}

#[tokio::test]
async fn each_call_of_an_instance_that_stays_is_granted_hosts_and_facts_by_itself() {
    let fixture = Fixture::new();
    let around = Around::answering(Some(Ok("value".into())));
    let resident = fixture.sandbox.resident(&fixture.program).unwrap();
    let mut numbers = Vec::new();
    for grants in [
        Grants::none().host("ssh:db"),
        Grants::none().facts(),
        Grants::none().host("ssh:db"),
    ] {
        let request = Request {
            terms: grants.into(),
            ..asking("ask", "ssh:db", &around)
        };
        let call = fixture
            .sandbox
            .run_resident(&resident, request, Arc::<Recorder>::default());
        numbers.push(call.await.outcome.unwrap()[0]);
    }
    assert_eq!(numbers, [0, 0xff, 0]);
    assert_eq!(around.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn guests_that_wait_for_other_hosts_leave_room_for_what_they_wait_for() {
    // Room for four guests.
    let sandbox = Sandbox::new().unwrap().with_memory_budget(4 * (2 << 20));
    let program = load(
        &sandbox,
        &ASKING.replace(r#""memory") 50"#, r#""memory") 1"#),
    )
    .unwrap();
    let fixture = Fixture { sandbox, program };
    let around = Around::answering(None);
    let ask = || {
        fixture.sandbox.run(
            &fixture.program,
            asking("give_up", "ssh:db", &around),
            Arc::<Recorder>::default(),
        )
    };
    let waiting = [tokio::spawn(ask()), tokio::spawn(ask())];
    around.is_asked(waiting.len()).await;
    let outcome = ask().await.outcome;
    assert!(
        matches!(&outcome, Err(Fault::Agent(reason)) if reason.contains("wait for other hosts")),
        "{outcome:?}"
    );
    let (number, _) = fixture.told("facts", &around).await;
    assert_eq!(number, 0, "others have room");

    waiting.iter().for_each(|waiting| waiting.abort());
    for waiting in waiting {
        let _ = waiting.await;
    }
    let again = tokio::spawn(ask());
    around.is_asked(3).await;
    again.abort();
}
