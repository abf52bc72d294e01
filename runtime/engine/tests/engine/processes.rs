use std::{
    fs,
    pin::Pin,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use wxec_engine::Completion;
use wxec_protocol::{
    ANY, Fault, Grants, LimitKind, Limits, Need, OutputStream,
    abi::{HostError, ProcessEnd, ProcessStart, ProcessStarted, StdioKind},
};

use crate::{
    Fixture, PATIENCE, Recorder,
    asking::{
        Scripted, Step, answers, ask_nonsense, close, forget, give_up, kill, piped, program, read,
        select, start, try_wait, wait, write,
    },
    kinds::passes_alone,
    load, runs_until,
};

const EXITED: fn(i32) -> ProcessEnd = |code| ProcessEnd {
    code: Some(code),
    signal: None,
};
const KILLED: ProcessEnd = ProcessEnd {
    code: None,
    signal: Some(9),
};

fn shell() -> Scripted {
    Scripted::new(Grants::none().run("sh"))
}

/// Starts a shell's script whose output goes to the call's own. The process is handle 1.
fn printing(script: &str) -> Step {
    let [stdout, stderr] = [StdioKind::Inherit; 2];
    start(&ProcessStart {
        stdout,
        stderr,
        ..program("sh", &["-c", script])
    })
}

/// Starts a shell's script, with a pipe for stdin (handle 1) and one for stdout (2), and waits
/// until it runs. The process is handle 3.
async fn running(
    scripted: &Scripted,
    script: &str,
    further: Step,
) -> Pin<Box<impl Future<Output = Completion> + use<>>> {
    let recorder = Arc::<Recorder>::default();
    let question = ProcessStart {
        stderr: StdioKind::Inherit,
        ..piped(&format!("echo running >&2; {script}"))
    };
    let mut call = Box::pin(scripted.start(&[start(&question), further], recorder.clone()));
    runs_until("its process runs", &mut call, || {
        !recorder.printed().is_empty()
    })
    .await;
    call
}

/// Returns what a script prints to a pipe.
async fn output_of(scripted: &Scripted, question: &ProcessStart) -> String {
    let answers = scripted
        .run(&[start(question), wait(4), read(2, 65536)])
        .await
        .unwrap();
    assert_eq!(answers[1].reply::<ProcessEnd>(), EXITED(0));
    String::from_utf8(answers[2].bytes.clone()).unwrap()
}

/// Waits until `is_so` is true.
#[track_caller]
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_alive(pid: &str) -> bool {
    // A zombie that init has not seen yet is dead.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn is_listed(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap()
}

#[tokio::test]
async fn what_was_not_granted_is_refused_and_the_flag_is_named() {
    let scripted = Scripted::new(Grants::none().run("cat"));
    let need = Need::Run("sh".into());
    let refused = scripted.last(&[start(&piped("true"))]).await.error();
    assert_eq!(
        refused,
        HostError {
            kind: "PermissionDenied".into(),
            message: "not granted: needs --allow-run=sh".into(),
            need: Some(need.clone())
        }
    );

    let fault = scripted
        .run(&[start(&piped("true")), give_up()])
        .await
        .unwrap_err();
    assert!(matches!(fault, Fault::Denied { needs, .. } if needs == [need]));
    // A guest that found another way and fails later fails for another reason.
    let fault = scripted
        .run(&[
            start(&piped("true")),
            start(&program("cat", &[])),
            give_up(),
        ])
        .await
        .unwrap_err();
    assert!(matches!(fault, Fault::Trap { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_process_gets_its_arguments_its_name_and_its_input() {
    let question = ProcessStart {
        args: vec![
            "-c".into(),
            "cat; echo \"$0\" $#".into(),
            "x y".into(),
            "".into(),
        ],
        ..piped("")
    };
    let answers = shell()
        .run(&[
            start(&question),
            write(1, b"in "),
            close(1),
            wait(4),
            read(2, 100),
            read(2, 100),
        ])
        .await
        .unwrap();
    let started: ProcessStarted = answers[0].reply();
    assert_eq!(
        (
            answers[0].number,
            started.stdin,
            started.stdout,
            started.stderr
        ),
        (4, Some(1), Some(2), Some(3))
    );
    assert_eq!(answers[3].reply::<ProcessEnd>(), EXITED(0));
    assert_eq!(answers[4].bytes, b"in x y 1\n");
    assert_eq!(
        (answers[5].number, &*answers[5].bytes),
        (0, &b""[..]),
        "the end"
    );
}

#[tokio::test]
async fn how_a_process_ended_is_told_as_often_as_it_is_asked() {
    let steps = [start(&piped("exit 7")), wait(4), try_wait(4), kill(4, 15)];
    let answers = shell().run(&steps).await.unwrap();
    assert_eq!(answers[1].reply::<ProcessEnd>(), EXITED(7));
    assert_eq!(
        (answers[2].number, answers[2].reply::<ProcessEnd>()),
        (1, EXITED(7))
    );
    assert_eq!(answers[3].error().kind, "InvalidInput");

    let answers = shell()
        .run(&[
            start(&piped("cat")),
            try_wait(4),
            kill(4, 1234),
            kill(4, 9),
            wait(4),
        ])
        .await
        .unwrap();
    assert_eq!(
        (answers[1].number, answers[1].reply::<Option<ProcessEnd>>()),
        (0, None)
    );
    assert_eq!(answers[2].error().message, "1234 is no signal");
    assert_eq!(answers[4].reply::<ProcessEnd>(), KILLED);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_not_found() {
    let scripted = Scripted::new(Grants::none().run(ANY));
    let error = scripted
        .last(&[start(&program("no-such-program", &[]))])
        .await
        .error();
    assert_eq!(
        (&*error.kind, &*error.message),
        (
            "NotFound",
            "no program `no-such-program` is on the host's PATH"
        )
    );
    let error = scripted
        .last(&[start(&program("/etc/passwd", &[]))])
        .await
        .error();
    assert_eq!(error.kind, "PermissionDenied", "it cannot be run");
    assert_eq!(error.need, None, "and no grant would help");
}

#[tokio::test]
async fn the_environment_is_small_and_no_code_comes_with_it() {
    let scripted = Scripted::new(Grants::none().run("sh").env("CARGO_PKG_NAME"));
    let mut question =
        piped("echo ${PATH:+path} ${CARGO_PKG_NAME-none} ${CARGO_MANIFEST_DIR-none} ${NEW-none}");
    assert_eq!(
        output_of(&scripted, &question).await,
        "path wxec-engine none none\n"
    );
    question.env = vec![
        ("NEW".into(), Some("1".into())),
        ("CARGO_PKG_NAME".into(), None),
    ];
    assert_eq!(output_of(&scripted, &question).await, "path none none 1\n");

    question.env = vec![("LD_PRELOAD".into(), Some("/tmp/evil.so".into()))];
    let error = scripted.last(&[start(&question)]).await.error();
    assert!(
        error.message.contains("`LD_PRELOAD`") && error.message.contains("--allow-run=*"),
        "{error}"
    );
}

#[tokio::test]
async fn no_file_of_the_agent_is_open_in_a_process() {
    let scripted = shell();
    let question = piped("ls /proc/self/fd | tr '\\n' ' '");
    // Another call has pipes and a process of its own at the same time.
    let _other = running(&scripted, "cat", read(2, 1)).await;
    // Files that this test was started with are open in every process, and so are those that `ls`
    // itself opens.
    let script = question.args.last().unwrap();
    let usual = std::process::Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(
        output_of(&scripted, &question).await,
        String::from_utf8(usual.stdout).unwrap()
    );
}

#[tokio::test]
async fn output_that_is_the_calls_own_arrives_before_the_end_is_told() {
    let recorder = Arc::<Recorder>::default();
    let steps = [printing("echo out; echo err >&2; seq 1 20000"), wait(1)];
    let completion = shell().start(&steps, recorder.clone()).await;
    assert_eq!(
        answers(&completion.outcome.unwrap())[1].reply::<ProcessEnd>(),
        EXITED(0)
    );
    let written = recorder.printed();
    let of = |wanted| -> Vec<u8> {
        written
            .iter()
            .filter(|(stream, _)| *stream == wanted)
            .flat_map(|(_, bytes)| bytes.clone())
            .collect()
    };
    assert_eq!(of(OutputStream::Stderr), b"err\n");
    let numbers: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(
        String::from_utf8(of(OutputStream::Stdout)).unwrap(),
        format!("out\n{numbers}")
    );
}

#[tokio::test]
async fn output_that_is_the_calls_own_has_the_calls_limit() {
    let limits = |deadline_ms| Limits {
        stdio_bytes: 1000,
        deadline_ms: Some(deadline_ms),
        ..Limits::default()
    };
    let scripted = Scripted {
        limits: limits(50_000),
        ..shell()
    };
    let recorder = Arc::<Recorder>::default();
    let completion = scripted
        .start(
            &[printing("head -c 1000000 /dev/zero"), wait(1)],
            recorder.clone(),
        )
        .await;
    assert!(completion.outcome.is_ok(), "{completion:?}");
    let written: usize = recorder
        .printed()
        .iter()
        .map(|(_, bytes)| bytes.len())
        .sum();
    assert_eq!((written, completion.usage.dropped_bytes), (1000, 999_000));

    let scripted = Scripted {
        limits: limits(300),
        ..shell()
    };
    let endless = scripted.run(&[printing("yes"), wait(1)]).await;
    assert_eq!(endless, Err(Fault::Deadline { after_ms: 300 }));
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipes_holds_up_no_wait() {
    let answers = shell()
        .run(&[start(&piped("sleep 60 & echo $!")), wait(4), read(2, 100)])
        .await
        .unwrap();
    assert_eq!(answers[1].reply::<ProcessEnd>(), EXITED(0));
    let grandchild = String::from_utf8(answers[2].bytes.clone()).unwrap();
    eventually("it ends with the call", || !is_alive(grandchild.trim()));

    let started = Instant::now();
    let steps = [printing("sleep 60 & echo hello"), wait(1)];
    assert!(shell().run(&steps).await.is_ok());
    assert!(started.elapsed() < PATIENCE);
}

#[tokio::test]
async fn a_deadline_ends_a_process_its_group_and_daemons_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut most = 0;
    // All processes have to start before the deadline: try longer ones, for a busy machine.
    for deadline_ms in [1000, 5000, 50_000] {
        let list = directory
            .path()
            .join(deadline_ms.to_string())
            .display()
            .to_string();
        let script = format!(
            "trap '' TERM; echo $$ >>{list}; sleep 60 & echo $! >>{list}; \
             setsid sh -c 'echo $$ >>{list}; exec sleep 60' & (setsid sh -c 'echo $$ >>{list}; exec sleep 60' &); wait"
        );
        let scripted = Scripted {
            limits: Limits {
                deadline_ms: Some(deadline_ms),
                ..Limits::default()
            },
            ..shell()
        };
        let fault = scripted
            .run(&[start(&piped(&script)), read(2, 1)])
            .await
            .unwrap_err();
        assert_eq!(
            fault,
            Fault::Deadline {
                after_ms: deadline_ms
            }
        );
        let pids = fs::read_to_string(&list).unwrap_or_default();
        for pid in pids.lines() {
            eventually("all are gone", || !is_alive(pid));
        }
        most = pids.lines().count();
        if most == 4 {
            break;
        }
    }
    assert_eq!(most, 4, "were started");
}

#[tokio::test]
async fn dropping_a_call_ends_its_processes_and_leaves_no_zombie() {
    let scripted = shell();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let question = piped(&format!("echo $$ >{}; exec sleep 60", file.display()));
    let mut call = Box::pin(scripted.start(&[start(&question), wait(4)], Arc::default()));
    runs_until("its process runs", &mut call, || {
        fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n'))
    })
    .await;
    let pid = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    assert!(is_listed(pid));
    drop(call);
    eventually("it was waited for", || !is_listed(pid));
}

#[tokio::test]
async fn a_call_that_returns_leaves_nothing_running() {
    let answers = shell()
        .run(&[start(&piped("exec sleep 60")), forget(4)])
        .await
        .unwrap();
    let started: ProcessStarted = answers[0].reply();
    eventually("it was waited for", || !is_listed(started.id));
}

#[tokio::test]
async fn when_a_session_ends_all_processes_do_and_no_more_start() {
    let scripted = shell();
    let call = running(&scripted, "exec sleep 60", wait(3)).await;
    scripted.sandbox.end_processes();
    let ended = answers(&call.await.outcome.unwrap());
    assert_eq!(ended[1].reply::<ProcessEnd>(), KILLED);
    assert_eq!(
        scripted
            .last(&[start(&piped("true"))])
            .await
            .error()
            .message,
        "this session is over"
    );
}

#[tokio::test]
async fn processes_at_once_are_limited_and_those_that_ended_make_room() {
    let limits = Limits {
        children: 2,
        deadline_ms: Some(50_000),
        ..Limits::default()
    };
    let scripted = Scripted {
        limits,
        ..Scripted::new(Grants::none().run("sleep").run("true"))
    };
    let (sleep, done) = (start(&program("sleep", &["60"])), || {
        start(&program("true", &[]))
    });
    let steps = [sleep, done(), wait(2), done(), done(), give_up()];
    let fault = scripted.run(&steps).await.unwrap_err();
    assert_eq!(
        fault,
        Fault::Limit {
            which: LimitKind::Children,
            limit: 2,
            asked: 3
        }
    );
    let steps = [
        start(&program("sleep", &["60"])),
        done(),
        wait(2),
        done(),
        wait(3),
        done(),
        forget(3),
        wait(4),
    ];
    assert!(
        scripted
            .run(&steps)
            .await
            .unwrap()
            .iter()
            .all(|answer| answer.number >= 0)
    );
}

#[tokio::test]
async fn pipes_and_processes_are_open_files() {
    let limits = Limits {
        open_files: 4,
        deadline_ms: Some(50_000),
        ..Limits::default()
    };
    let scripted = Scripted { limits, ..shell() };
    let quiet = || start(&program("sh", &["-c", "true"]));
    let fault = scripted
        .run(&[start(&piped("cat")), quiet(), give_up()])
        .await
        .unwrap_err();
    assert_eq!(
        fault,
        Fault::Limit {
            which: LimitKind::OpenFiles,
            limit: 4,
            asked: 5
        }
    );
    let steps = [
        start(&piped("cat")),
        close(1),
        quiet(),
        wait(5),
        forget(5),
        quiet(),
        wait(6),
    ];
    assert!(
        scripted
            .run(&steps)
            .await
            .unwrap()
            .iter()
            .all(|answer| answer.number >= 0)
    );
}

#[tokio::test]
async fn handles_that_are_closed_forged_or_of_another_kind_are_refused() {
    let steps = [
        start(&piped("cat")),
        close(3),
        close(3),
        read(3, 1),
        read(4, 1),
        read(-1, 1),
        read(99, 1),
        read(1, 1),
        write(2, b"x"),
        wait(2),
        kill(2, 9),
        forget(2),
        close(4),
        select(&[2], &[]),
        select(&[], &[2, 99]),
        select(&[], &[]),
        select(&[1; 65], &[]),
        forget(4),
        wait(4),
        read(1, 0),
    ];
    let answers = shell().run(&steps).await.unwrap();
    for (place, answer) in answers.iter().enumerate() {
        match place {
            0 | 1 | 17 => assert!(answer.number >= 0, "{place}: {answer:?}"),
            _ => assert_eq!(answer.error().kind, "InvalidInput", "{place}"),
        }
    }
}

#[tokio::test]
async fn handles_of_one_call_are_nothing_to_another() {
    let scripted = shell();
    let _one = running(&scripted, "cat", read(2, 1)).await;
    assert_eq!(
        scripted.last(&[write(1, b"x")]).await.error().kind,
        "InvalidInput"
    );
    assert_eq!(
        scripted.last(&[kill(3, 9)]).await.error().kind,
        "InvalidInput"
    );
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused() {
    let scripted = shell();
    let long = [
        &b"\xa1\x67program\x7a\x00\x10\x00\x00"[..],
        &vec![b'x'; 1 << 20],
    ]
    .concat();
    for nonsense in [
        &b""[..],
        b"\xff",
        b"\xa0",
        b"\xa1\x67program\x01",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        &long,
    ] {
        assert_eq!(
            scripted.last(&[ask_nonsense(nonsense)]).await.error().kind,
            "InvalidInput"
        );
    }
    let question = ProcessStart {
        args: vec!["-c".into(), "a\0b".into()],
        ..piped("")
    };
    assert_eq!(
        scripted.last(&[start(&question)]).await.error().kind,
        "InvalidInput"
    );
}

#[tokio::test]
async fn pointers_that_lie_end_the_call() {
    for call in [
        "(call $start (i32.const 65530) (i32.const 7))",
        "(call $select (i32.const -1) (i32.const 1))",
        "(call $connect (i32.const 0) (i32.const -1))",
        "(call $read (i32.const 1) (i32.const 65536) (i32.const 1))",
        "(call $write (i32.const 1) (i32.const 0) (i32.const 65537))",
    ] {
        let sandbox = wxec_engine::Sandbox::new().unwrap();
        let wat = format!(
            r#"(module
                (import "wxec_v1" "process_start" (func $start (param i32 i32) (result i32)))
                (import "wxec_v1" "stream_select" (func $select (param i32 i32) (result i32)))
                (import "wxec_v1" "net_connect" (func $connect (param i32 i32) (result i32)))
                (import "wxec_v1" "stream_read" (func $read (param i32 i32 i32) (result i32)))
                (import "wxec_v1" "stream_write" (func $write (param i32 i32 i32) (result i32)))
                (memory (export "memory") 1)
                (func (export "wx1_lie") (result i32) {call}))"#
        );
        let program = load(&sandbox, &wat).unwrap();
        let fixture = Fixture {
            sandbox,
            program,
            limits: Limits::default(),
        };
        let fault = fixture.call("lie", b"").await.unwrap_err();
        assert!(
            matches!(&fault, Fault::Trap { reason, .. } if reason.starts_with("a host call was given ")),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn what_is_ready_is_told_without_waiting_for_the_rest() {
    // Writes to stderr only, then waits for its input, and then returns all of it.
    let steps = [
        start(&piped("echo first >&2; cat")),
        select(&[], &[2, 3]),
        read(3, 100),
        select(&[1], &[2, 3]),
        write(1, &[7; 1 << 20]),
        select(&[], &[2, 3]),
        read(2, 1 << 20),
        close(1),
    ];
    let answers = shell().run(&steps).await.unwrap();
    assert_eq!(
        (answers[1].number, &*answers[2].bytes),
        (1, &b"first\n"[..])
    );
    assert_eq!(answers[3].number, 0, "there is room to write");
    assert!(
        (1..1 << 20).contains(&answers[4].number),
        "what there is room for"
    );
    assert_eq!(answers[5].number, 0);
    assert!(answers[6].number > 0);
}

#[tokio::test]
async fn more_than_a_pipe_holds_goes_both_ways() {
    let mut steps = vec![start(&piped("cat"))];
    for round in 0..64_u8 {
        steps.extend([write(1, &[round; 4096]), read(2, 4096)]);
    }
    steps.extend([close(1), read(2, 1), wait(4)]);
    let answers = shell().run(&steps).await.unwrap();
    let came: Vec<u8> = answers
        .iter()
        .flat_map(|answer| answer.bytes.clone())
        .collect();
    let sent: Vec<u8> = (0..64).flat_map(|round| [round; 4096]).collect();
    assert!(came == sent, "{} bytes came", came.len());
}

#[tokio::test]
async fn a_process_runs_where_the_guest_may_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory
        .path()
        .canonicalize()
        .unwrap()
        .display()
        .to_string();
    let question = |cwd: &str| ProcessStart {
        cwd: Some(cwd.into()),
        ..piped("pwd")
    };
    let scripted = Scripted::new(Grants::none().run("sh").dir(&path, "/here", false));
    assert_eq!(
        output_of(&scripted, &question("/here")).await,
        format!("{path}\n")
    );
    let error = scripted.last(&[start(&question("/etc"))]).await.error();
    assert_eq!(error.need, Some(Need::Read("/etc".into())));
}

#[test]
fn many_processes_one_after_the_other_leave_no_file_open() {
    passes_alone("processes::with_no_other_test_that_opens_files");
}

#[tokio::test]
#[ignore = "counts the open files of its process: run by another test"]
async fn with_no_other_test_that_opens_files() {
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let scripted = Scripted::new(Grants::none().run("true"));
    let round = || {
        (0..20)
            .flat_map(|round| {
                [
                    start(&program("true", &[])),
                    wait(round + 1),
                    forget(round + 1),
                ]
            })
            .collect::<Vec<_>>()
    };
    scripted.run(&round()).await.unwrap();
    let before = open();
    for _ in 0..5 {
        scripted.run(&round()).await.unwrap();
    }
    eventually("files are closed", || open() <= before);
}
