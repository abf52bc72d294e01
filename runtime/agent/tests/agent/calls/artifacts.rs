//! Artifacts: each is asked for once, and a bad one fails its calls only.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_mixes_up_artifacts_is_told_so() {
    let (mut controller, _agent) = start();
    let limits = Limits {
        fuel: Some(1_000),
        ..Limits::default()
    };
    let outcome = controller.one("echo", b"", limits.clone()).await;
    assert!(
        matches!(outcome, Err(Fault::BadModule(_))),
        "before it is loaded: {outcome:?}"
    );
    controller
        .one("echo", b"", Limits::default())
        .await
        .unwrap();
    let outcome = controller.one("echo", b"", limits).await;
    assert!(
        matches!(outcome, Err(Fault::BadModule(_))),
        "and after: {outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_does_not_load_fails_its_calls_only() {
    let (mut controller, _agent) = start();
    let good = std::mem::replace(&mut controller.artifact, b"no artifact".to_vec());
    let outcome = controller.one("echo", b"", Limits::default()).await;
    assert!(matches!(outcome, Err(Fault::BadModule(_))), "{outcome:?}");
    controller.artifact = good;
    assert_eq!(
        controller.one("echo", b"fine", Limits::default()).await,
        Ok(b"fine".to_vec())
    );
    assert_eq!(
        controller.one("nothing", b"", Limits::default()).await,
        Err(Fault::NoSuchFunction {
            function: "nothing".into()
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_does_not_load_fails_its_calls_however_they_overlap() {
    let (mut controller, _agent) = start();
    let good = std::mem::replace(&mut controller.artifact, b"no artifact".to_vec());
    controller.call("echo", b"", Limits::default());
    for _ in 0..10 {
        controller.needed().await;
        controller.peer.connection.provide(
            Digest::of(&controller.artifact),
            controller.artifact.clone().into(),
        );
        controller.peer.send().await;
        // This call arrives after the artifact, and before the return of the call that asked for
        // it.
        controller.call("echo", b"", Limits::default());
    }
    let outcomes = controller.returned(2).await;
    assert!(
        outcomes
            .values()
            .all(|outcome| matches!(outcome, Err(Fault::BadModule(_)))),
        "{outcomes:?}"
    );
    controller.artifact = good;
    assert_eq!(
        controller.one("echo", b"fine", Limits::default()).await,
        Ok(b"fine".to_vec())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_arrives_damaged_is_asked_for_again() {
    let (mut controller, _agent) = start();
    for _ in 0..2 {
        controller.call("echo", b"hello", Limits::default());
    }
    assert!(!controller.needed().await);
    controller.provide_damaged();
    let outcomes = controller.returned(2).await;
    assert!(
        outcomes
            .values()
            .all(|outcome| *outcome == Ok(b"hello".to_vec())),
        "{outcomes:?}"
    );
    assert_eq!(controller.asked, 1, "and once more before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_artifact_of_a_cancelled_call_does_not_end_the_session() {
    let (mut controller, _agent) = start();
    let id = controller.call("echo", b"", Limits::default());
    controller.needed().await;
    controller.peer.connection.cancel(id);
    controller.provide_damaged();
    controller.peer.connection.ping();
    assert_eq!(controller.event().await, ControllerEvent::Pong);
    // The pong arrives after any request for the artifact.
    controller.peer.connection.ping();
    assert_eq!(controller.event().await, ControllerEvent::Pong);
    assert_eq!(controller.asked, 0, "nobody wants it any more");
    assert_eq!(
        controller.one("echo", b"fine", Limits::default()).await,
        Ok(b"fine".to_vec())
    );
}
