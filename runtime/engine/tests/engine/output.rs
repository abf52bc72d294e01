use std::sync::Arc;

use wxec_protocol::{Limits, OutputStream, Usage};

use crate::{Fixture, Recorder};

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
        (i32.const 0))"#;

async fn print(fixture: &Fixture, function: &str, input: &[u8]) -> (Vec<(OutputStream, Vec<u8>)>, Usage) {
    let recorder = Arc::<Recorder>::default();
    let completion = fixture.start(function, input, recorder.clone()).await;
    assert!(completion.outcome.is_ok(), "{completion:?}");
    (std::mem::take(&mut *recorder.0.lock().unwrap()), completion.usage)
}

#[tokio::test]
async fn prints_and_logs_are_forwarded_as_they_are() {
    let (written, usage) = print(&Fixture::new(PRINT), "print", b"hello\n\xff").await;
    let streams = [OutputStream::Log(2), OutputStream::Stdout, OutputStream::Stderr];
    assert_eq!(written, streams.map(|stream| (stream, b"hello\n\xff".to_vec())));
    assert_eq!(usage.dropped_bytes, 0);
}

#[tokio::test]
async fn each_stream_keeps_its_limit_and_the_rest_is_counted() {
    let fixture = Fixture::new(PRINT).with_limits(Limits { stdio_bytes: 10_000, ..Limits::default() });
    let text: Vec<_> = (0..=255).cycle().take(12_000).collect();
    let (written, usage) = print(&fixture, "print", &text).await;

    let kept = |wanted| -> Vec<u8> {
        written.iter().filter(|(stream, _)| *stream == wanted).flat_map(|(_, bytes)| bytes.clone()).collect()
    };
    assert_eq!(kept(OutputStream::Stdout), text[..10_000]);
    assert_eq!(kept(OutputStream::Stderr), text[..10_000]);
    assert_eq!(kept(OutputStream::Log(2)), b"", "a record is kept whole or not at all");
    assert_eq!(usage.dropped_bytes, 2_000 + 2_000 + 12_000);
}

#[tokio::test]
async fn levels_are_those_there_are() {
    let (written, _) = print(&Fixture::new(PRINT), "levels", b"").await;
    assert_eq!(written, [1, 3, 5].map(|level| (OutputStream::Log(level), vec![])));
}

#[tokio::test]
async fn empty_records_come_to_an_end() {
    let fixture = Fixture::new(PRINT).with_limits(Limits { stdio_bytes: 1_600, ..Limits::default() });
    let (written, _) = print(&fixture, "flood", b"").await;
    assert_eq!(written.len(), 100);
}
