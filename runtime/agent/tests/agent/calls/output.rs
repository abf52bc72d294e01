//! Output of guests: its limits, its credit, and that it comes before the return.

use std::time::Duration;

use wxec_protocol::OUTPUT_WINDOW_BYTES;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn output_arrives_before_the_return_and_within_its_limit() {
    let (mut controller, _agent) = start();
    // Long enough for the guest to log something, even on a busy machine.
    let limits = Limits {
        deadline_ms: Some(2000),
        stdio_bytes: 1000,
        ..Limits::default()
    };
    let id = controller.call("chatter", b"", limits);
    assert_eq!(
        controller.returned(1).await[&id],
        Err(Fault::Deadline { after_ms: 2000 })
    );
    let logged: u64 = controller.logged.iter().map(|(_, _, cost)| cost).sum();
    assert!(
        controller
            .logged
            .iter()
            .all(|(from, level, _)| (*from, *level) == (id, LogLevel::Info))
    );
    assert!((1..=1000).contains(&logged), "{logged} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_nobody_takes_stops_who_prints_and_no_one_else() {
    let (mut controller, _agent) = start();
    controller.takes_output = false;
    let limits = Limits {
        stdio_bytes: 64 << 20,
        ..Limits::default()
    };
    let ids = [(); 2].map(|()| controller.call("chatter", b"", limits.clone()));
    let under_way = |controller: &Controller| {
        controller
            .logged
            .iter()
            .map(|(.., cost)| output_cost(*cost))
            .sum::<u64>()
    };
    while under_way(&controller) < OUTPUT_WINDOW_BYTES {
        assert_eq!(
            controller.one("echo", b"123", Limits::default()).await,
            Ok(b"123".into()),
            "it waits for nobody"
        );
    }
    for _ in 0..100 {
        assert_eq!(
            controller.one("echo", b"123", Limits::default()).await,
            Ok(b"123".into())
        );
    }
    let stopped = under_way(&controller);
    assert!(
        stopped < OUTPUT_WINDOW_BYTES + 1000,
        "{stopped} bytes came unasked"
    );

    controller.peer.connection.output_taken(stopped);
    controller.takes_output = true;
    while under_way(&controller) < 4 * OUTPUT_WINDOW_BYTES {
        assert_eq!(
            controller.one("echo", b"123", Limits::default()).await,
            Ok(b"123".into())
        );
    }
    controller.takes_output = false;
    ids.into_iter()
        .for_each(|id| controller.peer.connection.cancel(id));
    assert_eq!(
        controller.one("echo", b"123", Limits::default()).await,
        Ok(b"123".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_returns_behind_what_it_printed() {
    let (mut controller, _agent) = start();
    controller.takes_output = false;
    // Long enough for the guest to print this much, even on a busy machine.
    let limits = Limits {
        stdio_bytes: 64 << 20,
        deadline_ms: Some(10_000),
        ..Limits::default()
    };
    let id = controller.call("chatter", b"", limits);
    while controller
        .logged
        .iter()
        .map(|(.., cost)| output_cost(*cost))
        .sum::<u64>()
        < OUTPUT_WINDOW_BYTES
    {
        assert_eq!(
            controller.one("echo", b"1", Limits::default()).await,
            Ok(b"1".into())
        );
    }
    // Waits until the deadline has passed, and handles the events of that time.
    tokio::time::sleep(Duration::from_millis(10_000)).await;
    assert_eq!(
        controller.one("echo", b"1", Limits::default()).await,
        Ok(b"1".into()),
        "the other has not returned"
    );
    let first = controller.logged.iter().map(|(.., cost)| cost).sum::<u64>();
    let taken = controller
        .logged
        .iter()
        .map(|(.., cost)| output_cost(*cost))
        .sum();
    controller.takes_output = true;
    controller.peer.connection.output_taken(taken);
    assert_eq!(
        controller.returned(1).await[&id],
        Err(Fault::Deadline { after_ms: 10_000 })
    );
    let logged: u64 = controller.logged.iter().map(|(.., cost)| cost).sum();
    assert!(
        logged > first,
        "{logged} bytes: what it printed before was kept"
    );
}
