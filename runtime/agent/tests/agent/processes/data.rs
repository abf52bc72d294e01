//! Data of processes in both directions: its order, its windows, and readers that are slow.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn cat_echoes_megabytes_in_order() {
    let (mut controller, _agent) = start();
    let cat = controller.run(command(&["cat"])).stdio;
    let bytes = long(16 * MIB + 3);
    controller.write(cat, bytes.clone());
    controller.finish(cat).await;
    controller
        .until(|controller| controller.streams[&cat].end.is_some())
        .await;
    let stream = &controller.streams[&cat];
    assert_eq!(stream.end, Some(StreamEnd::Exited(0)));
    assert!(stream.finished && stream.data == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_of_any_length_are_echoed_in_order() {
    let (mut controller, _agent) = start();
    let cat = controller.run(command(&["cat"])).stdio;
    let bytes = long(MIB);
    let mut rest = bytes.clone();
    for length in [
        1,
        2,
        4095,
        4096,
        4097,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
    ]
    .into_iter()
    .cycle()
    {
        if rest.is_empty() {
            break;
        }
        let piece = rest.split_to(length.min(rest.len()));
        controller
            .until(|controller| controller.streams[&cat].unsent.is_empty())
            .await;
        controller.write(cat, piece);
    }
    controller
        .until(|controller| controller.streams[&cat].data.len() == bytes.len())
        .await;
    assert!(controller.streams[&cat].data == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_not_read() {
    let (mut controller, _agent) = start();
    controller.takes = false;
    let cat = controller.run(command(&["cat"])).stdio;
    let bytes = long(8 * MIB);
    controller.write(cat, bytes.clone());
    controller
        .until(|controller| controller.streams[&cat].data.len() >= MIB)
        .await;
    controller.until_quiet().await;
    // A window out and one in, and the contents of cat and the pipes around it.
    let (most, stream) = (2 * MIB + MIB / 2, &controller.streams[&cat]);
    assert_eq!(stream.data.len(), MIB, "a window");
    assert!(
        (MIB..most).contains(&stream.sent),
        "{} bytes went in, and nobody took any",
        stream.sent
    );

    controller.takes = true;
    controller.take(cat);
    controller.finish(cat).await;
    controller
        .until(|controller| controller.streams[&cat].end.is_some())
        .await;
    assert!(
        controller.streams[&cat].data == bytes,
        "nothing is lost for it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stderr_comes_apart_from_stdout() {
    let (mut controller, _agent) = start();
    let process = controller.run(shell("echo out; echo err >&2; echo more; echo worse >&2"));
    let expected = (
        "out\nmore\n".into(),
        "err\nworse\n".into(),
        StreamEnd::Exited(0),
    );
    assert_eq!(controller.ended(process).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_on_stderr_holds_up_nothing() {
    let (mut controller, _agent) = start();
    controller.takes = false;
    let process = controller.run(shell("while :; do echo noise; done >&2 & exec cat"));
    controller
        .until(|controller| controller.streams[&process.stderr].data.len() == NARROW)
        .await;
    controller.write(process.stdio, "hello".into());
    controller
        .until(|controller| controller.streams[&process.stdio].data == b"hello")
        .await;
    controller.peer.connection.ping();
    controller.until(|controller| controller.pongs == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_its_stdin_ends_cat() {
    let (mut controller, _agent) = start();
    let cat = controller.run(command(&["cat"]));
    controller.write(cat.stdio, "last".into());
    controller
        .until(|controller| controller.streams[&cat.stdio].data == b"last")
        .await;
    assert_eq!(controller.streams[&cat.stdio].end, None);
    controller.peer.connection.finish_stream(cat.stdio);
    assert_eq!(
        controller.ended(cat).await,
        ("last".into(), String::new(), StreamEnd::Exited(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_may_close_its_output_and_go_on() {
    let (mut controller, _agent) = start();
    let process = controller.run(shell("exec 1>&-; cat >&2; exit 3"));
    controller
        .until(|controller| controller.streams[&process.stdio].finished)
        .await;
    controller.write(process.stdio, long(2 * MIB));
    controller.finish(process.stdio).await;
    controller
        .until(|controller| controller.streams[&process.stderr].end.is_some())
        .await;
    assert_eq!(
        controller.streams[&process.stderr].end,
        Some(StreamEnd::Exited(3))
    );
    assert!(controller.streams[&process.stderr].data == long(2 * MIB));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_process_wrote_arrives_before_its_end() {
    let (mut controller, _agent) = start();
    for length in [1, CHUNK_BYTES, MIB, 5 * MIB + 1] {
        let process = controller.run(command(&["head", "-c", &length.to_string(), "/dev/zero"]));
        let (stdout, _, end) = controller.ended(process).await;
        assert_eq!((stdout.len(), end), (length, StreamEnd::Exited(0)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_wrote_waits_for_a_slow_reader_beyond_its_end() {
    let (mut controller, _agent) = start();
    controller.takes = false;
    let length = 1_100_000;
    let head = controller.run(command(&["head", "-c", &length.to_string(), "/dev/zero"]));
    controller
        .until(|controller| controller.streams[&head.stdio].data.len() == MIB)
        .await;
    // Longer than any timeout in the agent.
    tokio::time::sleep(Duration::from_secs(2)).await;
    controller.until_quiet().await;
    assert_eq!(controller.streams[&head.stdio].data.len(), MIB, "a window");
    assert_eq!(controller.streams[&head.stdio].end, None, "there is more");

    controller.takes = true;
    controller.take(head.stdio);
    let (stdout, _, end) = controller.ended(head).await;
    assert_eq!((stdout.len(), end), (length, StreamEnd::Exited(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_does_not_read_holds_up_no_one() {
    let (mut controller, _agent) = start();
    let (deaf, numbers) = controller
        .run_and_number(shell("echo $$; exec sleep 60"))
        .await;
    controller.write(deaf.stdio, long(4 * MIB));
    let cat = controller.run(command(&["cat"]));
    controller.write(cat.stdio, long(2 * MIB));
    controller.finish(cat.stdio).await;
    controller
        .until(|controller| controller.streams[&cat.stdio].end.is_some())
        .await;
    assert!(controller.streams[&cat.stdio].data == long(2 * MIB));
    // One window, and the capacity of its pipe.
    assert!(
        controller.streams[&deaf.stdio].sent <= 2 * MIB,
        "{} bytes",
        controller.streams[&deaf.stdio].sent
    );

    controller.peer.connection.close_stream(deaf.stdio);
    controller.peer.send().await;
    gone(&numbers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_refuses_to_read_is_as_good_as_taken() {
    let (mut controller, agent) = start();
    let (process, _) = controller
        .run_and_number(shell("exec 0<&-; echo $$; exec sleep 60"))
        .await;
    controller.write(process.stdio, long(4 * MIB));
    controller
        .until(|controller| controller.streams[&process.stdio].unsent.is_empty())
        .await;
    assert_eq!(
        controller.streams[&process.stdio].end, None,
        "and it goes on"
    );
    leave(controller, agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_may_end_with_its_stdin_unread() {
    let (mut controller, _agent) = start();
    let process = controller.run(shell("echo done"));
    controller.write(process.stdio, long(4 * MIB));
    assert_eq!(
        controller.ended(process).await,
        ("done\n".into(), String::new(), StreamEnd::Exited(0))
    );
}
