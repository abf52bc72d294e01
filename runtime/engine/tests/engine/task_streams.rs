use std::{sync::Arc, time::Duration};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use wxec_engine::{Completion, Duplex, Request, Sandbox};
use wxec_protocol::{Fault, Grants, Limits};

use crate::{
    Recorder,
    asking::{
        Answer, Scripted, Step, answers, call_stream, close, give_up, read, select, shutdown,
        timeout, write,
    },
    load,
};

/// Bytes that the test's pipes hold.
const PIPE_BYTES: usize = 16;

fn scripted() -> Scripted {
    Scripted::new(Grants::none())
}

/// Starts a call with `count` streams, and returns their other ends.
fn start(
    scripted: &Scripted,
    steps: &[Step],
    count: usize,
) -> (
    impl Future<Output = Completion> + Send + use<>,
    Vec<DuplexStream>,
) {
    let (streams, ends): (Vec<_>, _) = (0..count)
        .map(|_| duplex(PIPE_BYTES))
        .map(|(a, b)| (Box::new(a) as Duplex, b))
        .unzip();
    let request = Request {
        streams,
        ..scripted.request(steps)
    };
    (
        scripted
            .sandbox
            .run(&scripted.program, request, Arc::<Recorder>::default()),
        ends,
    )
}

fn told(completion: Completion) -> Vec<Answer> {
    answers(&completion.outcome.unwrap())
}

#[tokio::test]
async fn a_guest_writes_and_its_caller_reads_until_it_closes() {
    let steps = [call_stream(0), write(1, b"abc"), close(1)];
    let (call, mut ends) = start(&scripted(), &steps, 1);
    let mut text = String::new();
    let (completion, length) = tokio::join!(call, ends[0].read_to_string(&mut text));
    assert_eq!((length.unwrap(), &*text), (3, "abc"));
    assert_eq!(
        told(completion)
            .iter()
            .map(|answer| answer.number)
            .collect::<Vec<_>>(),
        [1, 3, 0]
    );
}

#[tokio::test]
async fn a_guest_reads_what_its_caller_writes_until_that_ends() {
    let steps = [call_stream(0), read(1, 100), read(1, 100)];
    let (call, mut ends) = start(&scripted(), &steps, 1);
    ends[0].write_all(b"abc").await.unwrap();
    ends[0].shutdown().await.unwrap();
    let told = told(call.await);
    assert_eq!((&*told[1].bytes, told[2].number), (&b"abc"[..], 0));
}

#[tokio::test]
async fn writing_to_what_the_caller_closed_is_an_error() {
    let (call, ends) = start(&scripted(), &[call_stream(0), write(1, b"abc")], 1);
    drop(ends);
    assert_eq!(told(call.await)[1].error().kind, "BrokenPipe");
}

#[tokio::test]
async fn each_stream_is_had_once_and_the_last_has_a_name() {
    let steps = [
        call_stream(-1),
        call_stream(1),
        call_stream(0),
        call_stream(2),
        call_stream(-2),
        write(1, b"last"),
    ];
    let (call, mut ends) = start(&scripted(), &steps, 2);
    let told = told(call.await);
    assert_eq!([told[0].number, told[2].number], [1, 2]);
    for (place, index) in [(1, 1), (3, 2), (4, -2)] {
        let error = told[place].error();
        let message = format!("the call has no stream {index}, or it was taken before");
        assert_eq!((&*error.kind, error.message), ("InvalidInput", message));
    }
    let mut bytes = [0; 4];
    ends[1].read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, *b"last");
}

#[tokio::test]
async fn a_call_without_streams_has_no_last_one() {
    let (call, _) = start(&scripted(), &[call_stream(-1), call_stream(0)], 0);
    assert!(
        told(call.await)
            .iter()
            .all(|answer| answer.error().kind == "InvalidInput")
    );
}

#[tokio::test]
async fn reading_waits_no_longer_than_it_is_told_and_loses_nothing() {
    let steps = [
        call_stream(0),
        timeout(1, 0),
        read(1, 9),
        write(1, b"?"),
        timeout(1, -1),
        read(1, 9),
    ];
    let (call, mut ends) = start(&scripted(), &steps, 1);
    let writes = async {
        assert_eq!(ends[0].read_u8().await.unwrap(), b'?');
        ends[0].write_all(b"late").await.unwrap();
    };
    let (completion, ()) = tokio::join!(call, writes);
    let told = told(completion);
    assert_eq!(told[2].error().kind, "TimedOut");
    assert_eq!(told[5].bytes, b"late");
}

#[tokio::test]
async fn a_guest_that_waits_is_ended_by_its_deadline() {
    let mut scripted = scripted();
    scripted.limits = Limits {
        deadline_ms: Some(50),
        ..Limits::default()
    };
    for step in [read(1, 1), write(1, &[0; 2 * PIPE_BYTES])] {
        let (call, ends) = start(&scripted, &[call_stream(0), step, write(1, b"x")], 1);
        assert_eq!(call.await.outcome, Err(Fault::Deadline { after_ms: 50 }));
        drop(ends);
    }
}

#[tokio::test]
async fn streams_of_a_call_are_no_sockets_and_not_waited_for_together() {
    let steps = [
        call_stream(0),
        shutdown(1, 1),
        select(&[1], &[]),
        select(&[], &[1]),
        write(1, b"x"),
    ];
    let (call, _ends) = start(&scripted(), &steps, 1);
    let told = told(call.await);
    for answer in &told[1..4] {
        assert_eq!(
            answer.error().message,
            "streams of the call can only be read, written and closed"
        );
    }
    assert_eq!(told[4].number, 1, "it goes on all the same");
}

#[tokio::test]
async fn after_a_close_the_handle_means_nothing() {
    let steps = [
        call_stream(0),
        close(1),
        write(1, b"x"),
        read(1, 1),
        close(1),
        call_stream(0),
    ];
    let (call, _ends) = start(&scripted(), &steps, 1);
    assert!(
        told(call.await)[2..]
            .iter()
            .all(|answer| answer.error().kind == "InvalidInput")
    );
}

#[tokio::test]
async fn what_a_guest_took_is_gone_with_its_call() {
    for last in [close(9), give_up()] {
        let (call, mut ends) = start(&scripted(), &[call_stream(0), write(1, b"x"), last], 2);
        call.await;
        let mut bytes = Vec::new();
        for end in &mut ends {
            end.read_to_end(&mut bytes).await.unwrap();
        }
        assert_eq!(bytes, b"x");
    }
}

#[tokio::test]
async fn an_instance_that_stays_keeps_no_stream_of_an_earlier_call() {
    let scripted = scripted();
    let resident = scripted.sandbox.resident(&scripted.program).unwrap();
    let call = async |steps: &[Step]| {
        let (stream, end) = duplex(PIPE_BYTES);
        let request = Request {
            streams: vec![Box::new(stream)],
            ..scripted.request(steps)
        };
        let completion = scripted
            .sandbox
            .run_resident(&resident, request, Arc::<Recorder>::default())
            .await;
        (told(completion), end)
    };
    let (_, mut end) = call(&[call_stream(0), write(1, b"first")]).await;
    let mut text = String::new();
    end.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "first", "and then it ended");

    let (told, _end) = call(&[write(1, b"x"), call_stream(0), write(2, b"second")]).await;
    assert_eq!(told[0].error().kind, "InvalidInput");
    assert_eq!([told[1].number, told[2].number], [2, 6]);
}

/// Waits for a byte on the first of its streams, if it has any.
const WAITER: &str = r#"(module
    (import "wxec_v1" "call_stream" (func $call_stream (param i32) (result i32)))
    (import "wxec_v1" "stream_read" (func $stream_read (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "wx1_wait") (result i32)
        (drop (call $stream_read (call $call_stream (i32.const 0)) (i32.const 8) (i32.const 1)))
        (i32.const 0)))"#;

#[tokio::test]
async fn calls_that_wait_for_their_callers_leave_places_for_others() {
    // Room for eight guests.
    let sandbox = Sandbox::new().unwrap().with_memory_budget(16 << 20);
    let program = load(&sandbox, WAITER).unwrap();
    let output = || Arc::<Recorder>::default();
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let (stream, end) = duplex(PIPE_BYTES);
        let request = Request {
            streams: vec![Box::new(stream)],
            ..Request::new("wait", "")
        };
        let call = tokio::spawn(sandbox.run(&program, request, output()));
        tokio::task::yield_now().await;
        waiting.push((call, end));
    }
    for _ in 0..20 {
        let other = sandbox.run(&program, Request::new("wait", ""), output());
        let completion = tokio::time::timeout(Duration::from_secs(120), other)
            .await
            .expect("it has a place");
        assert!(completion.outcome.is_ok());
    }
    for (call, mut end) in waiting {
        end.write_all(b"x").await.unwrap();
        let outcome = call.await.unwrap().outcome;
        assert!(
            outcome.is_ok(),
            "those that had to wait have their turn: {outcome:?}"
        );
    }
}
