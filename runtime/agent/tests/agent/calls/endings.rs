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
