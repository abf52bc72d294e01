//! Many processes, at once and after each other.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_processes_at_once() {
    let (mut controller, agent) = start();
    let bytes = |at: usize| long(CHUNK_BYTES + at).slice(at..);
    let processes: Vec<_> = (0..100)
        .map(|at| controller.run(shell(&format!("cat; exit {at}"))))
        .collect();
    for (at, process) in processes.iter().enumerate() {
        controller.write(process.stdio, bytes(at));
    }
    for (at, process) in processes.iter().enumerate() {
        let id = process.stdio;
        controller
            .until(|controller| controller.streams[&id].data.len() == CHUNK_BYTES)
            .await;
        assert!(controller.streams[&id].data == bytes(at), "{at}");
        controller.finish(id).await;
    }
    for (code, process) in (0..).zip(processes) {
        let ids = [process.stdio, process.stderr];
        controller
            .until(|controller| ids.iter().all(|id| controller.streams[id].end.is_some()))
            .await;
        assert_eq!(
            controller.streams[&process.stdio].end,
            Some(StreamEnd::Exited(code))
        );
    }
    leave(controller, agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_processes_do_not_hold_up_the_end_of_another() {
    let (mut controller, agent) = start();
    for _ in 0..600 {
        controller.run(command(&["cat"]));
    }
    let process = controller.run(shell("echo fine; exit 6"));
    assert_eq!(
        controller.ended(process).await,
        ("fine\n".into(), String::new(), StreamEnd::Exited(6))
    );
    assert!(
        controller
            .streams
            .values()
            .all(|stream| stream.end.is_none()),
        "the others go on"
    );
    leave(controller, agent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_after_another_leaves_room_for_the_next() {
    let (mut controller, _agent) = start();
    for _ in 0..20 {
        let processes: Vec<_> = (0..30)
            .map(|_| controller.run(command(&["true"])))
            .collect();
        for process in processes {
            assert_eq!(controller.ended(process).await.2, StreamEnd::Exited(0));
        }
    }
}
