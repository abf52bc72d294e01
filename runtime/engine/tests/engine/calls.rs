use wxec_protocol::Fault;

use crate::Fixture;

/// Copies its input to its output in pieces of 16 bytes, past the end on purpose.
const ECHO: &str = r#"
    (func (export "wx1_tests::echo") (result i32)
        (local $at i32) (local $read i32)
        loop $more
            (local.set $read (call $input_read (local.get $at) (i32.const 256) (i32.const 16)))
            (call $output_write (i32.const 256) (local.get $read))
            (local.set $at (i32.add (local.get $at) (local.get $read)))
            (br_if $more (local.get $read))
        end
        (i32.ne (local.get $at) (call $input_len)))"#;

#[tokio::test]
async fn input_comes_back_as_output() {
    let fixture = Fixture::new(ECHO);
    for length in [0, 1, 16, 17, 100_000] {
        let input: Vec<_> = (0..=250).cycle().take(length).collect();
        assert_eq!(fixture.call("tests::echo", &input).await.unwrap(), input);
    }
}

#[tokio::test]
async fn a_missing_function_is_named() {
    for name in ["tests::ech", "tests::echo2", "", "wx1_tests::echo"] {
        let fault = Fixture::new(ECHO).call(name, b"").await.unwrap_err();
        assert_eq!(
            fault,
            Fault::NoSuchFunction {
                function: name.into()
            }
        );
    }
}

#[tokio::test]
async fn a_status_decides_what_the_error_output_means() {
    let fixture = Fixture::new(
        r#"
        (data (i32.const 8) "why")
        (func $fail (param $status i32) (result i32)
            (call $output_write (i32.const 0) (i32.const 8))
            (call $error_write (i32.const 8) (i32.const 3))
            (local.get $status))
        (func (export "wx1_failed") (result i32) (call $fail (i32.const 1)))
        (func (export "wx1_arguments") (result i32) (call $fail (i32.const 2)))
        (func (export "wx1_internal") (result i32) (call $fail (i32.const 3)))
        (func (export "wx1_other") (result i32) (call $fail (i32.const 99)))"#,
    );
    assert_eq!(
        fixture.call("failed", b"").await,
        Err(Fault::Task(b"why".into()))
    );
    assert_eq!(
        fixture.call("arguments", b"").await,
        Err(Fault::BadArguments("why".into()))
    );
    assert_eq!(
        fixture.call("internal", b"").await,
        Err(Fault::Trap {
            reason: "why".into(),
            frames: vec![]
        })
    );
    let reason = "the function returned 99, which is no status";
    assert_eq!(
        fixture.call("other", b"").await,
        Err(Fault::BadModule(reason.into()))
    );
}

#[tokio::test]
async fn every_call_sees_fresh_memory_and_globals() {
    let fixture = Fixture::new(
        r#"
        (global $calls (mut i32) (i32.const 0))
        (data (i32.const 8) "\00")
        (func (export "wx1_count") (result i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (global.get $calls)))
            (i32.store8 (i32.const 60000) (i32.add (i32.load8_u (i32.const 60000)) (i32.const 1)))
            (drop (memory.grow (i32.const 1)))
            (i32.store8 (i32.const 70000) (i32.add (i32.load8_u (i32.const 70000)) (i32.const 1)))
            (call $output_write (i32.const 8) (i32.const 1))
            (call $output_write (i32.const 60000) (i32.const 1))
            (call $output_write (i32.const 70000) (i32.const 1))
            (i32.const 0))"#,
    );
    for _ in 0..20 {
        assert_eq!(fixture.call("count", b"").await.unwrap(), &[1, 1, 1][..]);
    }
}

#[tokio::test]
async fn a_library_is_initialized_before_its_task_runs() {
    let fixture = Fixture::new(
        r#"
        (func (export "_initialize") (i32.store8 (i32.const 8) (i32.const 5)))
        (func (export "wx1_get") (result i32) (call $output_write (i32.const 8) (i32.const 1)) (i32.const 0))"#,
    );
    assert_eq!(fixture.call("get", b"").await.unwrap(), &[5][..]);
}

#[tokio::test]
async fn a_task_is_not_cancelled() {
    let fixture = Fixture::new(r#"(func (export "wx1_cancelled") (result i32) (call $cancelled))"#);
    assert!(fixture.call("cancelled", b"").await.unwrap().is_empty());
}
