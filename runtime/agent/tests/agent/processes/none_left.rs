//! Processes that the controller closes or leaves: none is left behind.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_stream_ends_the_process_and_its_group() {
    let (mut controller, agent) = start();
    for script in [
        "echo $$; cat",
        "echo $$; exec sleep 60",
        "sleep 60 & echo $$ $!; wait",
        "trap '' TERM; echo $$; sleep 60",
        "trap '' TERM; sleep 60 & echo $$ $!; sleep 60",
        LEADER_ENDS,
    ] {
        let (process, numbers) = controller.run_and_number(shell(script)).await;
        controller.peer.connection.close_stream(process.stdio);
        controller.peer.send().await;
        gone(&numbers).await;
        controller
            .until(|controller| controller.streams[&process.stderr].end.is_some())
            .await;
        assert_eq!(
            controller.streams[&process.stdio].end, None,
            "nobody wants to know"
        );
    }
    leave(controller, agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_stderr_leaves_the_process_alone() {
    let (mut controller, _agent) = start();
    let cat = controller.run(shell("cat; exit 5"));
    controller.peer.connection.close_stream(cat.stderr);
    controller.write(cat.stdio, "hello".into());
    controller
        .until(|controller| controller.streams[&cat.stdio].data == b"hello")
        .await;
    controller.finish(cat.stdio).await;
    controller
        .until(|controller| controller.streams[&cat.stdio].end.is_some())
        .await;
    assert_eq!(
        controller.streams[&cat.stdio].end,
        Some(StreamEnd::Exited(5))
    );
    assert_eq!(controller.streams[&cat.stderr].end, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn stderr_nobody_takes_does_not_hold_up_the_end_of_a_closed_process() {
    let (mut controller, _agent) = start();
    controller.takes = false;
    let (process, numbers) = controller
        .run_and_number(shell("echo $$; exec yes >&2"))
        .await;
    controller
        .until(|controller| controller.streams[&process.stderr].data.len() == NARROW)
        .await;
    controller.peer.connection.close_stream(process.stdio);
    controller.peer.send().await;
    gone(&numbers).await;
    // Longer than any timeout in the agent.
    tokio::time::sleep(Duration::from_secs(2)).await;
    controller.take(process.stderr);
    controller
        .until(|controller| controller.streams[&process.stderr].end.is_some())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_outlives_a_controller_that_is_gone() {
    let (mut controller, agent) = start();
    controller.takes = false;
    let mut numbers = Vec::new();
    for script in [
        "echo $$; cat",
        "echo $$; exec sleep 60",
        "sleep 60 & echo $$ $!; wait",
        "trap '' TERM; echo $$; sleep 60",
        "echo $$; while :; do echo $$; done",
        LEADER_ENDS,
    ] {
        let (process, some) = controller.run_and_number(shell(script)).await;
        controller.write(process.stdio, long(MIB));
        numbers.extend(some);
    }
    leave(controller, agent).await;
    gone(&numbers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_outlives_a_goodbye() {
    let (mut controller, agent) = start();
    let mut numbers = Vec::new();
    for script in [
        "echo $$; cat",
        "sleep 60 & echo $$ $!; wait",
        "trap '' TERM; echo $$; sleep 60",
        LEADER_ENDS,
    ] {
        numbers.extend(controller.run_and_number(shell(script)).await.1);
    }
    controller.peer.connection.close();
    controller.until(|controller| controller.closed).await;
    gone(&numbers).await;
    assert!(ended(agent).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_process_does_not_outlive_a_goodbye() {
    let (mut controller, agent) = start();
    let (process, numbers) = controller.run_and_number(shell(DEAF)).await;
    controller.peer.connection.close_stream(process.stdio);
    controller.peer.connection.close();
    controller.until(|controller| controller.closed).await;
    assert!(!any_runs(&numbers), "it was gone before the last word");
    assert!(ended(agent).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_process_does_not_outlive_the_end_of_the_pipe() {
    let (mut controller, agent) = start();
    let (process, numbers) = controller.run_and_number(shell(DEAF)).await;
    controller.peer.connection.close_stream(process.stdio);
    controller.peer.send().await;
    leave(controller, agent).await;
    assert!(!any_runs(&numbers), "it was gone before the agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_outlives_a_controller_that_talks_nonsense() {
    use tokio::io::AsyncWriteExt;

    let (mut controller, agent) = start();
    let (_, numbers) = controller
        .run_and_number(shell("sleep 60 & echo $$ $!; wait"))
        .await;
    controller.peer.pipe.write_all(&[255; 100]).await.unwrap();
    gone(&numbers).await;
    assert!(ended(agent).await.is_err());
}
