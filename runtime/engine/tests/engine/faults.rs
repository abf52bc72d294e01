use wxec_protocol::{Fault, abi::Panic, cbor};

use crate::Fixture;

/// Returns the names of a fault's frames, innermost first.
fn frames(fault: &Fault) -> Vec<&str> {
    let (Fault::Trap { frames, .. } | Fault::Panic { frames, .. }) = fault else {
        panic!("no frames in {fault:?}")
    };
    assert!(
        frames.iter().all(|frame| frame.offset.is_some()),
        "{frames:?}"
    );
    frames.iter().map(|frame| &*frame.function).collect()
}

fn trap_reason(fault: &Fault) -> &str {
    let Fault::Trap { reason, .. } = fault else {
        panic!("no trap: {fault:?}")
    };
    reason
}

#[tokio::test]
async fn a_trap_says_what_and_where() {
    let fixture = Fixture::new(
        r#"
        (func $divide (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
        (func $outer (export "wx1_divide") (result i32) (call $divide (i32.const 0)))
        (func (export "wx1_unreachable") (result i32) unreachable)
        (func (export "wx1_access") (result i32) (i32.load (i32.const -4)))"#,
    );
    let fault = fixture.call("divide", b"").await.unwrap_err();
    assert_eq!(
        (trap_reason(&fault), frames(&fault)),
        ("integer divide by zero", vec!["divide", "outer"])
    );

    let fault = fixture.call("unreachable", b"").await.unwrap_err();
    assert_eq!(
        trap_reason(&fault),
        "wasm `unreachable` instruction executed"
    );
    assert_eq!(
        trap_reason(&fixture.call("access", b"").await.unwrap_err()),
        "out of bounds memory access"
    );
}

#[tokio::test]
async fn a_panic_is_told_in_the_guests_words() {
    let panic = Panic {
        message: "no such file".into(),
        file: Some("src/main.rs".into()),
        line: 7,
        column: 5,
    };
    let record = cbor::encode(&panic).unwrap();
    let fixture = Fixture::new(
        r#"
        (func $rust_panic (param $length i32)
            (drop (call $input_read (i32.const 0) (i32.const 8) (local.get $length)))
            (call $panic (i32.const 8) (local.get $length))
            unreachable)
        (func $task (export "wx1_panic") (result i32) (call $rust_panic (call $input_len)) (i32.const 0))"#,
    );
    let fault = fixture.call("panic", &record).await.unwrap_err();
    assert_eq!(frames(&fault), ["rust_panic", "task"]);
    assert!(matches!(fault, Fault::Panic { panic: told, .. } if told == panic));

    let Err(Fault::Panic { panic, .. }) = fixture.call("panic", b"\xff").await else {
        panic!("still a panic")
    };
    assert!(
        panic
            .message
            .starts_with("a panic whose record cannot be decoded: "),
        "{panic:?}"
    );
}

#[tokio::test]
async fn a_panic_that_was_caught_is_no_fault() {
    let fixture = Fixture::new(
        r#"(func (export "wx1_caught") (result i32) (call $panic (i32.const 0) (i32.const 1)) (i32.const 0))"#,
    );
    assert!(fixture.call("caught", b"").await.is_ok());
}

#[tokio::test]
async fn an_exit_is_a_trap_whatever_its_code() {
    let fixture = Fixture::new(
        r#"
        (func (export "wx1_zero") (result i32) (call $proc_exit (i32.const 0)) (i32.const 0))
        (func (export "wx1_three") (result i32) (call $proc_exit (i32.const 3)) (i32.const 0))"#,
    );
    for (function, code) in [("zero", 0), ("three", 3)] {
        let fault = fixture.call(function, b"").await.unwrap_err();
        assert_eq!(
            trap_reason(&fault),
            format!("the guest exited with code {code}")
        );
    }
}

#[tokio::test]
async fn pointers_that_lie_end_the_call() {
    let calls = [
        "(drop (call $input_read (i32.const 0) (i32.const 65535) (i32.const 2)))",
        "(drop (call $input_read (i32.const 0) (i32.const 0) (i32.const -1)))",
        "(drop (call $input_read (i32.const 9) (i32.const -1) (i32.const -1)))",
        "(call $output_write (i32.const 65536) (i32.const 1))",
        "(call $output_write (i32.const 1) (i32.const -1))",
        "(call $error_write (i32.const -1) (i32.const 1))",
        "(call $log (i32.const 1) (i32.const 65530) (i32.const 7))",
        "(call $panic (i32.const -1) (i32.const -1))",
    ];
    for call in calls {
        let fixture = Fixture::new(&format!(
            r#"(func (export "wx1_lie") (result i32) {call} (i32.const 0))"#
        ));
        let fault = fixture.call("lie", b"input").await.unwrap_err();
        assert!(
            trap_reason(&fault).starts_with("a host call was given "),
            "{call}: {fault:?}"
        );
    }
    let honest = "(call $output_write (i32.const 65536) (i32.const 0)) (call $output_write (i32.const 0) (i32.const 65536))";
    let fixture = Fixture::new(&format!(
        r#"(func (export "wx1_all") (result i32) {honest} (i32.const 0))"#
    ));
    assert_eq!(fixture.call("all", b"").await.unwrap().len(), 65536);
}

#[tokio::test]
async fn a_module_without_memory_cannot_be_read_from() {
    let sandbox = wxec_engine::Sandbox::new().unwrap();
    let wat = r#"(module
        (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
        (func (export "wx1_write") (result i32) (call $output_write (i32.const 0) (i32.const 0)) (i32.const 0)))"#;
    let program = crate::load(&sandbox, wat).unwrap();
    let fixture = Fixture {
        sandbox,
        program,
        limits: Default::default(),
    };
    let fault = fixture.call("write", b"").await.unwrap_err();
    assert_eq!(
        trap_reason(&fault),
        "the module exports no memory named `memory`"
    );
}
