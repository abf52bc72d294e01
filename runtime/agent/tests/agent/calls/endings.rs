//! Ends of a conversation: a goodbye, the end of the pipe, garbage.

use tokio::io::AsyncWriteExt;
use wxec_agent::ServeError;

use super::*;
use crate::ended;

#[tokio::test(flavor = "multi_thread")]
async fn goodbye_waits_for_open_calls() {
    let (mut controller, agent) = start();
    let limits = Limits {
        deadline_ms: Some(50),
        ..Limits::default()
    };
    let id = controller.call("spin", b"", limits);
    controller.peer.connection.close();
    assert_eq!(
        controller.returned(1).await[&id],
        Err(Fault::Deadline { after_ms: 50 })
    );
    assert_eq!(controller.event().await, ControllerEvent::Closed);
    assert!(ended(agent).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_pipe_ends_the_agent_whatever_runs() {
    let (mut controller, agent) = start();
    controller
        .one("echo", b"", Limits::default())
        .await
        .unwrap();
    controller.call("spin", b"", Limits::default());
    controller.peer.send().await;
    drop(controller);
    assert!(ended(agent).await.is_ok());
}

/// Limits of a call that may linger for so long.
fn lingering(ms: u64) -> Limits {
    Limits {
        linger_ms: Some(ms),
        ..Limits::default()
    }
}

/// Ten minutes, which no test waits for.
const LONG_MS: u64 = 600_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_may_linger_is_told_that_its_controller_is_gone() {
    let (mut controller, agent) = start();
    controller
        .one("echo", b"", Limits::default())
        .await
        .unwrap();
    controller.call("until_cancelled", b"", lingering(LONG_MS));
    controller.call("spin", b"", Limits::default());
    controller.peer.send().await;
    drop(controller);
    assert!(ended(agent).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_does_not_end_lingers_no_longer_than_it_may() {
    let (mut controller, agent) = start();
    controller
        .one("echo", b"", Limits::default())
        .await
        .unwrap();
    controller.call("spin", b"", lingering(100));
    controller.peer.send().await;
    drop(controller);
    assert!(ended(agent).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_that_may_linger_is_over_for_its_controller() {
    let (mut controller, agent) = start();
    controller
        .one("echo", b"", Limits::default())
        .await
        .unwrap();
    let id = controller.call("until_cancelled", b"", lingering(LONG_MS));
    controller.peer.send().await;
    controller.peer.connection.cancel(id);
    // It holds up no one.
    let answer = controller.one("echo", b"answer", Limits::default()).await;
    assert_eq!(answer.unwrap(), b"answer");
    controller.peer.connection.close();
    assert_eq!(controller.event().await, ControllerEvent::Closed);
    assert!(ended(agent).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_linger_are_few() {
    let (mut controller, agent) = start();
    controller.one("echo", b"", lingering(1)).await.unwrap();
    let few = (0..64).map(|_| controller.call("spin", b"", lingering(1)));
    let mut calls: Vec<_> = few.collect();
    // The agent would wait for it for ten minutes.
    calls.push(controller.call("spin", b"", lingering(LONG_MS)));
    controller.peer.send().await;
    calls
        .into_iter()
        .for_each(|id| controller.peer.connection.cancel(id));
    controller.peer.connection.close();
    assert_eq!(controller.event().await, ControllerEvent::Closed);
    assert!(ended(agent).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_the_conversation() {
    let (mut controller, agent) = start();
    controller
        .peer
        .pipe
        .write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        .await
        .unwrap();
    assert!(matches!(ended(agent).await, Err(ServeError::Protocol(_))));
}
