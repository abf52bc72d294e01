use std::sync::Arc;

use wxec_protocol::{Limits, LogLevel, MAX_MESSAGE_BYTES, MAX_TARGET_BYTES, OutputStream, Usage};

use crate::{Fixture, Recorder, Written};

/// Tasks that log and print: their input, nothing at several levels, nothing very often.
const PRINT: &str = r#"
    (func (export "wx1_print") (result i32)
        (drop (call $input_read (i32.const 0) (i32.const 1024) (call $input_len)))
        (call $log (i32.const 2) (i32.const 1024) (call $input_len))
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (call $input_len))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.ne (i32.load (i32.const 8)) (call $input_len)))
    (func (export "wx1_levels") (result i32)
        (call $log (i32.const -7) (i32.const 0) (i32.const 0))
        (call $log (i32.const 3) (i32.const 0) (i32.const 0))
        (call $log (i32.const 99) (i32.const 0) (i32.const 0))
        (i32.const 0))
    (func (export "wx1_flood") (result i32)
        (local $i i32)
        loop $more
            (call $log (i32.const 1) (i32.const 0) (i32.const 0))
            (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000)))
        end
        (i32.const 0))
    (func (export "wx1_record") (result i32)
        (drop (call $input_read (i32.const 0) (i32.const 1024) (call $input_len)))
        (call $log_record (i32.const 4) (i32.const 1024) (i32.const 5) (i32.const 1029) (i32.sub (call $input_len) (i32.const 5)))
        (i32.const 0))
    (func (export "wx1_long_record") (result i32)
        (drop (memory.grow (i32.const 1)))
        (memory.fill (i32.const 0) (i32.const 97) (i32.const 100000))
        (call $log_record (i32.const 4) (i32.const 0) (i32.const 1000) (i32.const 0) (i32.const 100000))
        (i32.const 0))"#;

async fn print(fixture: &Fixture, function: &str, input: &[u8]) -> (Vec<Written>, Usage) {
    let recorder = Arc::<Recorder>::default();
    let completion = fixture.start(function, input, recorder.clone()).await;
    assert!(completion.outcome.is_ok(), "{completion:?}");
    (
        std::mem::take(&mut *recorder.0.lock().unwrap()),
        completion.usage,
    )
}

#[tokio::test]
async fn prints_and_logs_are_forwarded_as_they_are() {
    let (written, usage) = print(&Fixture::new(PRINT), "print", b"hello\n\xff").await;
    let printed = |stream| Written::Printed(stream, b"hello\n\xff".to_vec());
    let logged = Written::Logged(LogLevel::Warn, String::new(), "hello\n\u{fffd}".into());
    assert_eq!(
        written,
        [
            logged,
            printed(OutputStream::Stdout),
            printed(OutputStream::Stderr)
        ]
    );
    assert_eq!(usage.dropped_bytes, 0);
}

#[tokio::test]
async fn each_stream_keeps_its_limit_and_the_rest_is_counted() {
    let fixture = Fixture::new(PRINT).with_limits(Limits {
        stdio_bytes: 10_000,
        ..Limits::default()
    });
    let text: Vec<_> = (0..=255).cycle().take(12_000).collect();
    let (written, usage) = print(&fixture, "print", &text).await;

    let kept = |wanted| -> Vec<u8> {
        let printed = written.iter().map(|written| match written {
            Written::Printed(stream, bytes) if *stream == wanted => bytes.clone(),
            Written::Printed(..) => Vec::new(),
            Written::Logged(..) => panic!("a record is kept whole or not at all: {written:?}"),
        });
        printed.collect::<Vec<_>>().concat()
    };
    assert_eq!(kept(OutputStream::Stdout), text[..10_000]);
    assert_eq!(kept(OutputStream::Stderr), text[..10_000]);
    assert_eq!(usage.dropped_bytes, 2_000 + 2_000 + 12_000);
}

#[tokio::test]
async fn levels_are_those_there_are() {
    let (written, _) = print(&Fixture::new(PRINT), "levels", b"").await;
    let empty = |level| Written::Logged(level, String::new(), String::new());
    assert_eq!(
        written,
        [LogLevel::Error, LogLevel::Info, LogLevel::Trace].map(empty)
    );
}

#[tokio::test]
async fn records_say_what_they_are_about() {
    let (written, _) = print(&Fixture::new(PRINT), "record", b"wordsfew of them").await;
    assert_eq!(
        written,
        [Written::Logged(
            LogLevel::Debug,
            "words".into(),
            "few of them".into()
        )]
    );
}

#[tokio::test]
async fn records_are_cut_to_what_people_read() {
    let (written, usage) = print(&Fixture::new(PRINT), "long_record", b"").await;
    let [Written::Logged(_, target, message)] = &*written else {
        panic!("one record: {written:?}")
    };
    assert_eq!(
        (target.len(), message.len()),
        (MAX_TARGET_BYTES, MAX_MESSAGE_BYTES)
    );
    assert_eq!(usage.dropped_bytes, 100_000 - MAX_MESSAGE_BYTES as u64);
}

#[tokio::test]
async fn empty_records_come_to_an_end() {
    let fixture = Fixture::new(PRINT).with_limits(Limits {
        stdio_bytes: 1_600,
        ..Limits::default()
    });
    let (written, _) = print(&fixture, "flood", b"").await;
    assert_eq!(written.len(), 100);
}
