//! Blobs that an agent holds, and puts into processes: the next hops of chains.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_held_once_it_was_sent() {
    let (mut controller, _agent) = start();
    let blob = long(3 * MIB);
    assert!(!controller.holds(Digest::of(&blob)).await);
    assert!(controller.hold(&blob).await);
    assert!(controller.holds(Digest::of(&blob)).await);
    assert!(!controller.holds(Digest::of(b"another")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_for_which_there_is_no_room_is_not_held() {
    let (mut controller, _agent) = start();
    let (small, great) = (long(1), long((64 << 20) + 1));
    assert!(!controller.hold(&great).await);
    assert!(!controller.holds(Digest::of(&great)).await);
    assert!(controller.hold(&small).await, "others are");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_held_needs_no_more_room() {
    let (mut controller, _agent) = start();
    let blob = long(33 << 20);
    for _ in 0..2 {
        assert!(controller.hold(&blob).await);
    }
    assert!(
        !controller.hold(&blob.slice(8..)).await,
        "there is room for one"
    );
    assert!(
        controller.hold(&long(30 << 20)).await,
        "and it is counted once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_arrive_in_a_process_exact_and_in_order() {
    let (mut controller, _agent) = start();
    let [first, second] = [long(CHUNK_BYTES * 3 + 5), long(MIB / 2).slice(3..)];
    assert!(controller.hold(&first).await && controller.hold(&second).await);
    let before = controller.peer.connection.traffic().bytes_sent;

    let cat = controller.run(command(&["cat"]));
    controller.write(cat.stdio, "before ".into());
    controller.splice(cat.stdio, &first);
    controller.write(cat.stdio, " between ".into());
    controller.splice(cat.stdio, &second);
    controller.write(cat.stdio, " behind".into());
    controller.finish(cat.stdio).await;
    controller
        .until(|controller| controller.streams[&cat.stdio].end.is_some())
        .await;
    let expected = [b"before ", &*first, b" between ", &*second, b" behind"].concat();
    assert!(controller.streams[&cat.stdio].data == expected);
    assert!(
        controller.peer.connection.traffic().bytes_sent - before < 2000,
        "they travelled before"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_may_go_to_many_processes() {
    let (mut controller, _agent) = start();
    let blob = long(MIB / 2);
    assert!(controller.hold(&blob).await);
    let cats = [(); 10].map(|()| controller.run(command(&["cat"])).stdio);
    for cat in cats {
        controller.splice(cat, &blob);
        controller.splice(cat, &blob);
    }
    for cat in cats {
        controller
            .until(|controller| controller.streams[&cat].data.len() == MIB)
            .await;
        assert!(controller.streams[&cat].data == [&*blob, &*blob].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_what_is_not_held_ends_the_stream() {
    let (mut controller, _agent) = start();
    let blob = long(100);
    assert!(controller.hold(&blob).await);
    let (held, unknown) = (Digest::of(&blob), Digest::of(b"unknown"));
    for splice in [
        Splice {
            blob: unknown,
            offset: 0,
            length: 1,
        },
        Splice {
            blob: held,
            offset: 100,
            length: 1,
        },
        Splice {
            blob: held,
            offset: 0,
            length: 101,
        },
        Splice {
            blob: held,
            offset: u64::MAX,
            length: 2,
        },
    ] {
        let (process, numbers) = controller
            .run_and_number(shell("sleep 60 & echo $$ $!; wait"))
            .await;
        controller.peer.connection.splice(process.stdio, splice);
        controller
            .until(|controller| controller.streams[&process.stdio].end.is_some())
            .await;
        let reason = format!("blob {} is not held here", splice.blob);
        assert_eq!(
            controller.streams[&process.stdio].end,
            Some(StreamEnd::Failed(reason)),
            "{splice:?}"
        );
        gone(&numbers).await;
        controller
            .until(|controller| controller.streams[&process.stderr].end.is_some())
            .await;
    }
    let cat = controller.run(command(&["cat"]));
    controller.splice(cat.stdio, &blob);
    controller.finish(cat.stdio).await;
    controller
        .until(|controller| controller.streams[&cat.stdio].end.is_some())
        .await;
    assert!(
        controller.streams[&cat.stdio].data == blob,
        "others are none the wiser"
    );
}
