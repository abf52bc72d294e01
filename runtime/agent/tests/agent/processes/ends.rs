//! Ends of processes: exit codes, signals, deadlines, and outputs that other processes hold.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_ends_with_its_exit_code() {
    let (mut controller, _agent) = start();
    for code in [0, 1, 7, 255] {
        let process = controller.run(shell(&format!("exit {code}")));
        assert_eq!(controller.ended(process).await.2, StreamEnd::Exited(code));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_ends_by_a_signal() {
    let (mut controller, _agent) = start();
    for signal in [9, 15] {
        let process = controller.run(shell(&format!("echo last words; kill -{signal} $$")));
        let expected = (
            "last words\n".into(),
            String::new(),
            StreamEnd::Signalled(signal),
        );
        assert_eq!(controller.ended(process).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_reach_a_process_and_its_group() {
    let (mut controller, _agent) = start();
    // The line comes from the child after its `exec`: by then its parent's trap is set, and the
    // child has none.
    let script = "trap 'exit 9' USR1; sh -c 'echo $0 $$; exec sleep 60' $$ & wait";
    let (process, numbers) = controller.run_and_number(shell(script)).await;
    for signal in [0, -1, 99, i32::MAX] {
        controller.peer.connection.signal(process.stdio, signal);
    }
    controller.peer.connection.signal(process.stdio, 10);
    assert_eq!(
        controller.ended(process).await.2,
        StreamEnd::Exited(9),
        "its trap ran, and nothing else reached it"
    );
    gone(&numbers).await;
    controller.peer.connection.signal(process.stdio, 15);

    let (process, _) = controller.run_and_number(shell("echo $$; sleep 60")).await;
    controller.peer.connection.signal(process.stdio, 15);
    assert_eq!(controller.ended(process).await.2, StreamEnd::Signalled(15));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_and_its_group_are_ended_at_their_deadline() {
    let (mut controller, _agent) = start();
    // The last script's line comes from a child that has set its trap; its parent has set its own
    // before.
    for script in [
        "echo $$; sleep 60",
        "sleep 60 & echo $$ $!; wait",
        "trap '' TERM; sleep 60 & echo $$ $!; sleep 60; sleep 60",
        "trap 'exit 0' TERM; sh -c 'trap \"\" TERM; echo $0 $$; sleep 60; sleep 60' $$ & wait",
    ] {
        let mut said = String::new();
        // Each script must print, and ignore signals, before its deadline: on a busy machine it
        // gets more time.
        for deadline_ms in [1_000, 5_000, 20_000] {
            let process = controller.run(Command {
                deadline_ms: Some(deadline_ms),
                ..shell(script)
            });
            let (stdout, _, end) = controller.ended(process).await;
            assert_eq!(end, StreamEnd::TimedOut, "{script}");
            said = stdout;
            if said.ends_with('\n') {
                break;
            }
        }
        let numbers: Vec<_> = said.trim_end().split(' ').map(String::from).collect();
        assert!(
            numbers.iter().all(|number| number.parse::<u32>().is_ok()),
            "{script}: {said:?}"
        );
        gone(&numbers).await;
    }
    let process = controller.run(Command {
        deadline_ms: Some(60_000),
        ..shell("exit 3")
    });
    assert_eq!(
        controller.ended(process).await.2,
        StreamEnd::Exited(3),
        "it was in time"
    );
}

/// Prints a line in the background once a file exists, or once its directory is gone; the shell
/// itself ends at once.
fn leaves_a_printer(file: &std::path::Path) -> Command {
    let (file, directory) = (file.display(), file.parent().unwrap().display());
    shell(&format!(
        "(while [ -d {directory} ] && [ ! -e {file} ]; do sleep 0.01; done; echo late) & echo early"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_print_later_is_waited_for_if_that_is_asked_for() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("go");
    let (mut controller, _agent) = start();
    let process = controller.run(Command {
        wait_output: true,
        ..leaves_a_printer(&file)
    });
    // Meanwhile another process, whose output is not awaited, has ended.
    let other = controller.run(leaves_a_printer(&room.path().join("never")));
    assert_eq!(controller.ended(other).await.0, "early\n");
    assert_eq!(controller.streams[&process.stdio].end, None);
    std::fs::write(&file, "").unwrap();
    let ended = ("early\nlate\n".into(), String::new(), StreamEnd::Exited(0));
    assert_eq!(controller.ended_and_held(process).await, (ended, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn that_others_hold_an_output_is_said() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("go");
    let (mut controller, _agent) = start();
    let process = controller.run(leaves_a_printer(&file));
    let ended = ("early\n".into(), String::new(), StreamEnd::Exited(0));
    assert_eq!(controller.ended_and_held(process).await, (ended, true));
    std::fs::write(&file, "").unwrap();
    let waits = Command {
        wait_output: true,
        deadline_ms: Some(1000),
        ..shell("sleep 60 & echo $!")
    };
    let process = controller.run(waits);
    let ((said, _, end), is_held) = controller.ended_and_held(process).await;
    assert_eq!((end, is_held), (StreamEnd::TimedOut, false));
    // On a busy machine the shell may have been ended, with its children, before it printed.
    if !said.is_empty() {
        kill(said.trim());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grandchild_that_keeps_stdout_open_does_not_hold_up_the_end() {
    let (mut controller, _agent) = start();
    let process = controller.run(shell("sleep 60 & echo $!; exit 4"));
    let (stdout, _, end) = controller.ended(process).await;
    assert_eq!(end, StreamEnd::Exited(4));
    assert!(is_running(stdout.trim()), "which is how it is kept open");
    kill(stdout.trim());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grandchild_that_floods_stdout_does_not_hold_up_the_end() {
    let (mut controller, _agent) = start();
    let process = controller.run(shell("yes & echo $! >&2; exit 4"));
    let (_, stderr, end) = controller.ended(process).await;
    assert_eq!(end, StreamEnd::Exited(4));
    gone(&[stderr.trim().into()]).await;
}
