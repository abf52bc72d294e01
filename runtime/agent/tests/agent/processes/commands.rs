//! Words, variables and directories of processes, and programs that are not there.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn words_variables_and_directories_are_bytes() {
    let (mut controller, _agent) = start();
    let bytes = |bytes: &[u8]| bytes.to_vec().into();
    let mut command = shell("printf %s \"$0$V\" | od -An -tx1");
    command.words.push(bytes(b"\xff"));
    command.env.push((bytes(b"V"), bytes(b"\xfe=")));
    let process = controller.run(command);
    assert_eq!(controller.ended(process).await.0, " ff fe 3d\n");

    let room = tempfile::tempdir().unwrap();
    let inside = room.path().join(OsStr::from_bytes(b"\xff"));
    std::fs::create_dir(&inside).unwrap();
    let directory = Some(bytes(inside.as_os_str().as_bytes()));
    let process = controller.run(Command {
        directory,
        ..shell("pwd | tail -c 2 | od -An -tx1")
    });
    assert_eq!(controller.ended(process).await.0, " ff 0a\n");

    let process = controller.run(Command {
        words: vec![bytes(b"/no/\xff")],
        ..Command::default()
    });
    let (.., end) = controller.ended(process).await;
    assert!(
        matches!(&end, StreamEnd::NotStarted(reason) if reason.starts_with("cannot run `/no/\u{fffd}`: ")),
        "{end:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_named() {
    let (mut controller, _agent) = start();
    let process = controller.run(command(&["no-such-program", "argument"]));
    let (.., StreamEnd::NotStarted(reason)) = controller.ended(process).await else {
        panic!("it runs")
    };
    assert!(
        reason.starts_with("cannot run `no-such-program`: No such file"),
        "{reason}"
    );

    let process = controller.run(command(&["/etc/passwd"]));
    let (.., StreamEnd::NotStarted(reason)) = controller.ended(process).await else {
        panic!("it runs")
    };
    assert!(
        reason.starts_with("cannot run `/etc/passwd`: Permission denied"),
        "{reason}"
    );

    for argv in [&[][..], &[""], &["a\0b"]] {
        let process = controller.run(command(argv));
        assert!(
            matches!(controller.ended(process).await.2, StreamEnd::NotStarted(_)),
            "{argv:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_a_program_that_is_not_there_harms_no_one() {
    let (mut controller, _agent) = start();
    let process = controller.run(command(&["no-such-program"]));
    controller.write(process.stdio, long(MIB));
    controller.peer.connection.finish_stream(process.stdio);
    assert!(matches!(
        controller.ended(process).await.2,
        StreamEnd::NotStarted(_)
    ));
    let process = controller.run(command(&["echo", "fine"]));
    assert_eq!(controller.ended(process).await.0, "fine\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_set_beside_the_agents_own() {
    let (mut controller, _agent) = start();
    let env = [("WXEC_TEST", "a b"), ("EMPTY", "")]
        .map(|(name, value)| (bytes(name), bytes(value)))
        .into();
    let script = "echo \"$WXEC_TEST|${EMPTY-unset}|${PATH:+some}\"";
    let process = controller.run(Command {
        env,
        ..shell(script)
    });
    assert_eq!(controller.ended(process).await.0, "a b||some\n");
    let process = controller.run(shell("echo \"${WXEC_TEST-unset}\""));
    assert_eq!(
        controller.ended(process).await.0,
        "unset\n",
        "nor for the next"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_own_variables_can_be_left_out() {
    let (mut controller, _agent) = start();
    let env = vec![(bytes("ONLY"), bytes("this"))];
    let process = controller.run(Command {
        env,
        clear_env: true,
        ..command(&["/usr/bin/env"])
    });
    assert_eq!(controller.ended(process).await.0, "ONLY=this\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_shell_reads_the_arguments() {
    let (mut controller, _agent) = start();
    let process = controller.run(command(&[
        "printf", "%s|", "$HOME", "a  b", "*", "", "'\"", "ü",
    ]));
    assert_eq!(controller.ended(process).await.0, "$HOME|a  b|*||'\"|ü|");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_runs_where_it_is_told_to() {
    let (mut controller, _agent) = start();
    let within = |directory: &str| Command {
        directory: Some(bytes(directory)),
        ..shell("pwd")
    };
    let process = controller.run(within("/usr/bin"));
    assert_eq!(controller.ended(process).await.0, "/usr/bin\n");
    let home = std::fs::canonicalize(std::env::var("HOME").unwrap()).unwrap();
    let process = controller.run(within("~"));
    assert_eq!(
        controller.ended(process).await.0,
        format!("{}\n", home.display())
    );

    for (directory, reason) in [
        ("/no/such", "No such file"),
        ("/etc/passwd", "not a directory"),
    ] {
        let process = controller.run(within(directory));
        let (.., StreamEnd::NotStarted(said)) = controller.ended(process).await else {
            panic!("it runs")
        };
        assert!(
            said.starts_with(&format!("cannot run `sh` in `{directory}`: {reason}")),
            "{said}"
        );
    }
}
