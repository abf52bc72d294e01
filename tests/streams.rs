//! Channels of tasks while they run: order, back-pressure, ends and their reasons.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use streams::Pair;
use wxec::{
    Bytes, CallError, CallErrorKind, Fleet, Host, Module, Receiver, Sender,
    call::{LimitKind, Value},
    channel,
    channel::{ChannelEnd, RecvError},
};

use crate::harness::{Cli, Pid, Sshd, kill, wait_until};

/// A generous limit: only a hang takes so long, even on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The most bytes under way while the receiver takes nothing: a window, a pipe, items that wait in
/// the channel, an item at each end.
const MOST_UNDER_WAY: u64 = 4 << 20;

fn local() -> Host {
    Host::new("local:").unwrap()
}

/// A second host, which is this machine as well.
fn other() -> Host {
    Host::new(r#"exec:["env"]"#).unwrap()
}

fn failure(end: Option<ChannelEnd>) -> CallErrorKind {
    match end {
        Some(ChannelEnd::Failed(error)) => error.kind,
        end => panic!("no failure: {end:?}"),
    }
}

#[track_caller]
fn answers(host: &Host) {
    assert_eq!(
        words::count::on(host, "to be".into())
            .timeout(PATIENCE)
            .wait()
            .unwrap(),
        2
    );
}

#[test]
fn called_plainly_a_task_uses_the_channel_as_it_is() {
    let (numbers, received) = channel();
    thread::scope(|scope| {
        scope.spawn(|| streams::count(5000, numbers));
        assert!(received.iter().eq(0..5000));
    });
    assert!(matches!(received.end(), Some(ChannelEnd::Closed)));
    assert_eq!(
        streams::pairs(7)
            .into_iter()
            .take(2)
            .map(|pair| pair.n)
            .collect::<Vec<_>>(),
        [7, 8]
    );
    assert_eq!(streams::within(), [1, 2]);
}

#[test]
fn what_a_task_sends_arrives_in_order() {
    let host = local();
    let (numbers, received) = channel();
    let call = streams::count::on(&host, 10_000, numbers).start();
    assert!(received.iter().eq(0..10_000));
    call.wait().unwrap();
    assert!(matches!(
        received.end(),
        Some(ChannelEnd::Closed | ChannelEnd::Returned)
    ));
    assert_eq!(streams::within::on(&host).wait().unwrap(), [1, 2]);
}

#[test]
fn what_a_task_receives_is_what_was_sent() {
    let (numbers, received) = channel();
    let call = streams::sum::on(&local(), received).start();
    (0..10_000).try_for_each(|n| numbers.send(n)).unwrap();
    numbers.close();
    assert_eq!(call.wait().unwrap(), 49_995_000);
    // A task can receive from any iterator.
    assert_eq!(
        streams::sum::on(&local(), Receiver::from_iter([1, 2]))
            .wait()
            .unwrap(),
        3
    );
}

#[test]
fn items_go_both_ways_at_once() {
    let (texts, received) = channel();
    let (shouted, answers) = channel();
    let call = streams::shout::on(&local(), received, shouted).start();
    for text in ["a", "bc", "déf"] {
        texts.send(text.to_owned()).unwrap();
        assert_eq!(
            answers.recv().unwrap(),
            text.to_uppercase(),
            "before the next one is sent"
        );
    }
    assert!(matches!(answers.try_recv(), Err(RecvError::Timeout)));
    assert!(matches!(
        answers.recv_timeout(Duration::from_millis(20)),
        Err(RecvError::Timeout)
    ));
    texts.close();
    assert_eq!(call.wait().unwrap(), 3);
    assert!(matches!(
        answers.recv(),
        Err(RecvError::Ended(ChannelEnd::Closed | ChannelEnd::Returned))
    ));
}

#[test]
fn who_receives_nothing_stops_the_task_that_sends_and_no_one_else() {
    let host = local();
    answers(&host);
    let before = host.stats().bytes_received;
    let (parts, received) = channel();
    let call = streams::flood::on(&host, 10_000, parts).start();
    let mut last = 0;
    wait_until(PATIENCE, "the task has stopped", || {
        thread::sleep(Duration::from_millis(200));
        std::mem::replace(&mut last, host.stats().bytes_received) == last && last > before + 100_000
    });
    for _ in 0..20 {
        answers(&host);
    }
    let arrived = host.stats().bytes_received - before;
    assert!(arrived < MOST_UNDER_WAY, "{arrived}");
    drop(received);
    let sent = call.wait().unwrap() * 10_000;
    assert!(sent < MOST_UNDER_WAY, "{sent}");
}

#[test]
fn a_task_that_receives_nothing_stops_who_sends() {
    let (numbers, received) = channel::<u64>();
    let (until, closed) = channel::<()>();
    let host = local();
    let call = streams::take::on(&host, 2, received, closed).start();
    [1, 2]
        .into_iter()
        .try_for_each(|n| numbers.send(n))
        .unwrap();
    // The task closed its end: a sender that goes on hears of that.
    let error = (3..).find_map(|n| numbers.send(n).err()).unwrap();
    assert!(matches!(error.end, ChannelEnd::Closed), "{error:?}");
    assert!(numbers.is_closed());
    assert!(!until.is_closed(), "the task goes on");
    until.close();
    assert_eq!(call.wait().unwrap(), [1, 2]);
}

#[test]
fn a_task_can_ask_whether_anybody_receives() {
    let (unused, received) = channel();
    let call = streams::listened_to::on(&local(), unused).start();
    thread::sleep(Duration::from_millis(50));
    drop(received);
    assert!(call.wait().unwrap());
}

#[test]
fn a_panic_in_the_middle_is_why_the_channel_ends() {
    let (numbers, received) = channel();
    let call = streams::panic_in_the_middle::on(&local(), numbers).start();
    assert_eq!(
        received.iter().collect::<Vec<_>>(),
        [1],
        "what was sent before arrives"
    );
    let CallErrorKind::Panic { message, .. } = failure(received.end()) else {
        panic!("{:?}", received.end())
    };
    assert_eq!(message, "in the middle");
    assert!(matches!(
        call.wait(),
        Err(CallError {
            kind: CallErrorKind::Panic { .. },
            ..
        })
    ));
}

#[test]
fn a_channel_that_a_task_closes_ends_while_the_task_goes_on() {
    let host = local();
    let (numbers, received) = channel();
    let call = streams::close_and_stay::on(&host, numbers).start();
    assert_eq!(received.iter().collect::<Vec<_>>(), [1]);
    assert!(matches!(received.end(), Some(ChannelEnd::Closed)));
    drop(call);
    answers(&host);
}

#[test]
fn dropping_the_call_ends_its_channels() {
    let host = local();
    let (numbers, received) = channel::<u64>();
    let (parts, arrived) = channel();
    let calls = (
        streams::sum::on(&host, received).start(),
        streams::flood::on(&host, 1, parts).start(),
    );
    numbers.send(1).unwrap();
    arrived.recv().unwrap();
    drop(calls);
    let error = (0..).find_map(|n| numbers.send(n).err()).unwrap();
    assert!(matches!(error.end, ChannelEnd::Cancelled), "{error:?}");
    arrived.iter().for_each(drop);
    assert!(
        matches!(arrived.end(), Some(ChannelEnd::Cancelled)),
        "{:?}",
        arrived.end()
    );
    answers(&host);
}

#[test]
fn a_returned_receiver_brings_items_after_the_call_has_resolved() {
    let host = local();
    let pairs = streams::pairs::on(&host, 5).wait().unwrap();
    // The host is not closed while items arrive.
    drop(host);
    let expected = |n: u64| Pair {
        n,
        text: n.to_string(),
    };
    assert!(pairs.iter().take(3000).eq((5..3005).map(expected)));
}

#[test]
fn a_returned_receiver_ends_as_the_call_does() {
    let host = local();
    let below = streams::below::on(&host, 3).wait().unwrap();
    assert_eq!(below.iter().collect::<Vec<_>>(), [0, 1, 2]);
    assert!(
        matches!(below.end(), Some(ChannelEnd::Returned)),
        "{:?}",
        below.end()
    );

    let error = streams::below::on(&host, 2000).wait().unwrap_err();
    assert!(
        matches!(&error.kind, CallErrorKind::Task(text) if text == "2000 are too many"),
        "{error:?}"
    );

    let numbers = streams::until_it_breaks::on(&host, 2).wait().unwrap();
    assert_eq!(numbers.iter().collect::<Vec<_>>(), [0, 1]);
    assert!(matches!(
        failure(numbers.end()),
        CallErrorKind::Panic { .. }
    ));
}

#[test]
fn a_returned_receiver_may_be_fed_by_another() {
    let (numbers, received) = channel();
    let passed = streams::pass::on(&local(), received).wait().unwrap();
    for n in 0..100 {
        numbers.send(n).unwrap();
        assert_eq!(passed.recv().unwrap(), n);
    }
    numbers.close();
    assert!(matches!(
        passed.recv(),
        Err(RecvError::Ended(ChannelEnd::Returned))
    ));
}

#[test]
fn receivers_that_are_dropped_leave_no_guest_behind() {
    let host = local();
    // More guests than the host runs at once.
    for n in 0..700 {
        let pairs = streams::pairs::on(&host, n)
            .timeout(PATIENCE)
            .wait()
            .unwrap();
        assert_eq!(pairs.recv().unwrap().n, n);
    }
    answers(&host);
}

#[test]
fn guests_that_wait_for_their_callers_do_not_hold_up_others() {
    let host = local();
    let waiting: Vec<_> = (0..600)
        .map(|_| {
            let (numbers, received) = channel();
            (streams::sum::on(&host, received).start(), numbers)
        })
        .collect();
    for _ in 0..20 {
        answers(&host);
    }
    // Some calls wait for a place until others have ended, and it is unknown which: all must be
    // able to end.
    let close = |(number, (call, numbers)): (u64, (_, Sender<u64>))| {
        numbers.send(number).unwrap();
        numbers.close();
        call
    };
    let closed: Vec<_> = (0..).zip(waiting).map(close).collect();
    for (number, call) in (0..).zip(closed) {
        assert_eq!(call.wait().unwrap(), number);
    }
}

#[test]
fn an_item_may_be_longer_than_what_may_be_under_way_and_not_longer_than_an_item() {
    let host = local();
    let (parts, received) = channel();
    let length = 5 << 20;
    let call = streams::flood::on(&host, length, parts).start();
    assert!(
        received
            .iter()
            .take(4)
            .all(|part| part.len() == length && part.iter().all(|byte| *byte == 7))
    );
    drop(received);
    call.wait().unwrap();

    let (parts, received) = channel();
    assert_eq!(
        streams::flood::on(&host, 17 << 20, parts).wait().unwrap(),
        0,
        "the task is told"
    );
    assert!(received.recv().is_err());
}

#[test]
fn a_task_that_receives_learns_that_an_item_is_missing() {
    let host = local();
    let (items, received) = channel();
    let call = streams::lengths::on(&host, received).start();
    items.send(Bytes::from(vec![0; 5])).unwrap();
    items.send(Bytes::from(vec![0; 17 << 20])).unwrap();
    drop(items);
    let error = call.wait().unwrap_err();
    assert!(error.to_string().contains("only 5: "), "{error}");

    let (items, received) = channel();
    let call = streams::lengths::on(&host, received).start();
    items.send(Bytes::from(vec![0; 5])).unwrap();
    drop(items);
    assert_eq!(call.wait().unwrap(), 5);
}

#[test]
fn a_killed_agent_is_why_channels_end() {
    let host = local();
    let agent = Pid::from_raw(host.report().wait().unwrap().description.pid.cast_signed()).unwrap();
    let (numbers, received) = channel::<u64>();
    let (parts, arrived) = channel();
    let sum = streams::sum::on(&host, received).start();
    let _flood = streams::flood::on(&host, 1000, parts).start();
    let pairs = streams::pairs::on(&host, 0).wait().unwrap();
    arrived.recv().unwrap();
    numbers.send(1).unwrap();
    kill(agent);
    let error = (0..).find_map(|n| numbers.send(n).err()).unwrap();
    assert!(matches!(
        failure(Some(error.end)),
        CallErrorKind::Lost { .. }
    ));
    arrived.iter().for_each(drop);
    assert!(matches!(failure(arrived.end()), CallErrorKind::Lost { .. }));
    pairs.iter().for_each(drop);
    assert!(matches!(failure(pairs.end()), CallErrorKind::Lost { .. }));
    assert!(matches!(
        sum.wait(),
        Err(CallError {
            kind: CallErrorKind::Lost { .. },
            ..
        })
    ));
}

#[test]
fn a_host_that_cannot_be_reached_is_why_a_channel_ends() {
    let (numbers, received) = channel();
    let call = streams::count::on(&Host::new("ssh:127.0.0.1:1").unwrap(), 1, numbers).start();
    assert!(matches!(
        received.recv(),
        Err(RecvError::Ended(ChannelEnd::Failed(_)))
    ));
    assert!(matches!(
        failure(received.end()),
        CallErrorKind::Unreachable(_)
    ));
    assert!(call.wait().is_err());
}

#[test]
fn a_deadline_ends_a_task_that_waits_for_items() {
    let (numbers, received) = channel::<u64>();
    let begin = Instant::now();
    let call = streams::sum::on(&local(), received)
        .timeout(Duration::from_millis(100))
        .start();
    assert!(matches!(
        call.wait(),
        Err(CallError {
            kind: CallErrorKind::Timeout { .. },
            ..
        })
    ));
    let error = (0..).find_map(|n| numbers.send(n).err()).unwrap();
    assert!(matches!(
        failure(Some(error.end)),
        CallErrorKind::Timeout { .. }
    ));
    assert!(begin.elapsed() < PATIENCE);
}

#[test]
fn a_task_waits_no_longer_than_it_likes() {
    let (numbers, received) = channel();
    let (waits, times) = channel();
    let call = streams::impatient::on(&local(), 5, received, waits).start();
    assert_eq!(times.iter().take(3).collect::<Vec<_>>(), [1, 2, 3]);
    numbers.send(9).unwrap();
    assert_eq!(call.wait().unwrap(), (true, 9));
}

#[test]
fn what_hosts_of_a_fleet_send_is_one_stream_whose_items_know_their_host() {
    let fleet: Fleet = [local(), other()].into_iter().collect();
    let (numbers, received) = channel();
    let call = streams::count::on(&fleet, 100, numbers).start();
    let mut of = [Vec::new(), Vec::new()];
    let name = other().name().to_owned();
    for (host, n) in received.tagged() {
        of[usize::from(*host == *name)].push(n);
    }
    for numbers in of {
        assert!(numbers.into_iter().eq(0..100));
    }
    assert_eq!(call.wait().successes().count(), 2);

    let streams: Vec<_> = streams::below::on(&fleet, 5).wait().into_result().unwrap();
    assert!(
        streams
            .into_iter()
            .all(|(_, numbers)| numbers.into_iter().eq(0..5))
    );
}

#[test]
fn a_receiver_is_not_for_a_fleet() {
    let fleet: Fleet = [local(), other()].into_iter().collect();
    let (_numbers, received) = channel::<u64>();
    let outcomes = streams::sum::on(&fleet, received).wait();
    assert_eq!(outcomes.failures().count(), 2);
    for (_, error) in outcomes.failures() {
        assert!(matches!(error.kind, CallErrorKind::Encode(_)), "{error:?}");
        assert!(
            error
                .to_string()
                .contains("each host needs a channel of its own"),
            "{error}"
        );
    }
}

#[test]
fn a_call_has_sixteen_streams_and_not_more() {
    let host = local();
    let spread = |count: usize| {
        let (numbers, received) = channel();
        let (to, of): (Vec<Sender<u32>>, Vec<Receiver<u32>>) =
            (0..count).map(|_| channel()).unzip();
        (
            streams::spread::on(&host, received, to).start(),
            numbers,
            of,
        )
    };
    let (call, numbers, of) = spread(15);
    [1, 2]
        .into_iter()
        .try_for_each(|n| numbers.send(n))
        .unwrap();
    numbers.close();
    assert!(of.into_iter().all(|numbers| numbers.into_iter().eq([1, 2])));
    call.wait().unwrap();

    let error = spread(16).0.wait().unwrap_err();
    let CallErrorKind::Limit {
        which: LimitKind::Streams,
        limit: 16,
        asked: 17,
    } = error.kind
    else {
        panic!("{error:?}")
    };
}

#[test]
fn channels_are_streams_and_sinks_of_async_code() {
    pollster::block_on(async {
        let (mut texts, received) = channel();
        let (shouted, mut answers) = channel();
        let call = streams::shout::on(&local(), received, shouted).start();
        for text in ["a", "b"] {
            SinkExt::send(&mut texts, text.to_owned()).await.unwrap();
            assert_eq!(answers.next().await.as_deref(), Some(&*text.to_uppercase()));
        }
        SinkExt::close(&mut texts).await.unwrap();
        assert_eq!(answers.next().await, None);
        assert_eq!(call.await.unwrap(), 2);
    });
}

#[test]
fn functions_that_stream_can_be_called_by_name() {
    let host = local();
    let streams = host.bind(&Module::from_package(env!("CARGO_MANIFEST_DIR"), "streams").unwrap());
    let numbers = streams
        .stream::<Receiver<Value>>("below", &(2,))
        .wait()
        .unwrap();
    assert_eq!(
        numbers.into_iter().collect::<Vec<_>>(),
        [Value::from(0), 1.into()]
    );

    let (numbers, received) = channel::<Value>();
    let call = streams.call::<()>("count", &(2, numbers)).start();
    assert_eq!(
        received.into_iter().collect::<Vec<_>>(),
        [Value::from(0), 1.into()]
    );
    call.wait().unwrap();

    let error = streams.call::<Value>("below", &(2,)).wait().unwrap_err();
    assert!(
        matches!(&error.kind, CallErrorKind::BadArguments(text) if text.contains("returns a stream")),
        "{error}"
    );
    let error = streams
        .stream::<Receiver<u8>>("within", &Vec::<u8>::new())
        .wait()
        .unwrap_err();
    assert!(
        matches!(&error.kind, CallErrorKind::BadModule(text) if text.contains("no stream")),
        "{error}"
    );
}

#[test]
fn items_of_another_type_end_the_channel() {
    let host = local();
    let streams = host.bind(&Module::from_package(env!("CARGO_MANIFEST_DIR"), "streams").unwrap());
    let texts = streams
        .stream::<Receiver<String>>("below", &(2,))
        .wait()
        .unwrap();
    assert!(texts.recv().is_err());
    assert!(matches!(failure(texts.end()), CallErrorKind::Decode(_)));
    answers(&host);
}

#[test]
fn streams_come_over_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    let ended = Cli::new(["call", "host", "streams::below", "3"])
        .hosts(&sshd)
        .run();
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(0), "0\n1\n2\n"),
        "{ended:?}"
    );
    let ended = Cli::new(["call", "host,local:", "streams::count", "2"])
        .hosts(&sshd)
        .run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    let mut lines: Vec<_> = ended.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["[host] 0", "[host] 1", "[local] 0", "[local] 1"]);
}

#[test]
fn the_command_feeds_stdin_to_a_function_that_receives() {
    let call = |function: &str, stdin: &str| {
        Cli::new(["-q", "call", "local:", function])
            .input(stdin)
            .run()
    };
    let ended = call("streams::shout", "a b\n\"c\"\n");
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(0), "\"A B\"\n\"C\"\n2\n"),
        "{ended:?}"
    );
    let ended = call("streams::sum", "1\n2");
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(0), "3\n"),
        "{ended:?}"
    );
    let ended = call("streams::sum", "1\ntwo\n3");
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(2), "1\n"),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .contains("error: line 2 of stdin: \"two\" is not what the function receives"),
        "{ended:?}"
    );
}

#[test]
fn the_command_refuses_what_it_cannot_feed_or_print() {
    for (target, call, reason) in [
        ("local:", vec!["streams::spread"], "takes 1 argument, not 0"),
        (
            "local:",
            vec!["streams::take", "2"],
            "it receives from several channels",
        ),
        (
            "local:,exec:[\"env\"]",
            vec!["streams::sum"],
            "stdin can be sent to one host only",
        ),
    ] {
        let ended = Cli::new([vec!["-q", "call", target], call].concat()).run();
        assert_eq!(ended.exit_code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(reason), "{ended:?}");
    }
}

#[test]
fn the_command_says_why_a_stream_ended() {
    let ended = Cli::new(["-q", "call", "local:", "streams::until_it_breaks", "1"]).run();
    assert_eq!(
        (ended.exit_code, &*ended.stdout),
        (Some(1), "0\n"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("1 is too many"), "{ended:?}");
}

#[test]
fn bytes_arrive_as_they_were_sent() {
    let (parts, received) = channel::<Bytes>();
    let call = streams::flood::on(&local(), 3, parts).start();
    assert_eq!(received.recv().unwrap(), Bytes::from_static(&[7; 3]));
    drop(received);
    call.wait().unwrap();
}

/// Runs the example, which is a program of its own.
#[test]
fn tail_follows_a_file_on_many_hosts_also_when_another_takes_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    fs::write(&path, "old\n").unwrap();
    // Built before anything waits for the example: building may take long.
    let example = ["--quiet", "-p", "wxec-examples", "--example", "tail"];
    assert!(
        Command::new(env!("CARGO"))
            .arg("build")
            .args(example)
            .status()
            .unwrap()
            .success()
    );
    let mut tail = Command::new(env!("CARGO"))
        .arg("run")
        .args(example)
        .args(["--", "local:,exec:[\"env\"]"])
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (lines, received) = channel();
    let stdout = BufReader::new(tail.stdout.take().unwrap());
    thread::spawn(move || {
        stdout
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| lines.send(line))
    });

    // The example follows the file once it has printed something of it.
    let add = |text: &str| {
        fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap()
    };
    let mut seen = Vec::new();
    let mut wait_for = |text: &str, again: bool| {
        let wanted = [
            format!("[exec:[\"env\"]] {text}"),
            format!("[local] {text}"),
        ];
        let deadline = Instant::now() + Duration::from_secs(600);
        while !wanted.iter().all(|line| seen.contains(line)) {
            assert!(Instant::now() < deadline, "{wanted:?} is not in {seen:?}");
            if again {
                add(&format!("{text}\n"));
            }
            seen.extend(received.recv_timeout(Duration::from_millis(300)).ok());
        }
    };
    wait_for("first", true);
    add("sec");
    add("ond\n");
    wait_for("second", false);
    fs::rename(&path, directory.path().join("log.1")).unwrap();
    fs::write(&path, "rotated\n").unwrap();
    wait_for("rotated", false);
    fs::write(&path, "t\n").unwrap();
    wait_for("t", false);
    assert!(!seen.iter().any(|line| line.ends_with("old")), "{seen:?}");
    tail.kill().unwrap();
    tail.wait().unwrap();
}

/// Sends bytes that are no sequence of items, in three ways, and then fills its stream.
const NONSENSE: &str = r#"(module
    (import "wxec_v1" "call_stream" (func $call_stream (param i32) (result i32)))
    (import "wxec_v1" "stream_write" (func $stream_write (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "stream_close" (func $stream_close (param i32) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 0) "\01\00\00\00\f6\ff\ff\ff\ff")
    (data (i32.const 16) "\01\00\00\00\f6\04\00\00\00\ff\ff\ff\ff")
    (data (i32.const 32) "\01\00\00\00\f6\00\00\00\01")
    (func $send (param $at i32) (param $length i32) (result i32)
        (local $stream i32)
        (local.set $stream (call $call_stream (i32.const -1)))
        (drop (call $stream_write (local.get $stream) (local.get $at) (local.get $length)))
        (loop $next
            (br_if $next (i32.gt_s
                (call $stream_write (local.get $stream) (i32.const 1024) (i32.const 65536))
                (i32.const 0))))
        (i32.const 0))
    (func (export "wx1_too_long") (result i32) (call $send (i32.const 0) (i32.const 9)))
    (func (export "wx1_no_cbor") (result i32) (call $send (i32.const 16) (i32.const 13)))
    (func (export "wx1_other_type") (result i32) (call $send (i32.const 32) (i32.const 9)))
    (func (export "wx1_forges") (result i32)
        (drop (call $stream_write (i32.const 7) (i32.const 0) (i32.const 9)))
        (drop (call $stream_close (call $call_stream (i32.const -1))))
        (drop (call $call_stream (i32.const 0x7fffffff)))
        (i32.const 0)))"#;

#[test]
fn guests_that_send_nonsense_harm_their_channel_only() {
    let host = local();
    let module = Module::from_bytes("nonsense", wat::parse_str(NONSENSE).unwrap()).unwrap();
    let bound = host.bind(&module);
    for function in ["too_long", "no_cbor", "other_type"] {
        let received = bound
            .stream::<Receiver<String>>(function, &Vec::<u8>::new())
            .timeout(PATIENCE)
            .wait()
            .unwrap();
        assert_eq!(received.iter().count(), 0, "{function}");
        assert!(
            matches!(failure(received.end()), CallErrorKind::Decode(_)),
            "{function}: {:?}",
            received.end()
        );
    }
    let error = bound
        .stream::<Receiver<String>>("forges", &Vec::<u8>::new())
        .timeout(PATIENCE)
        .wait()
        .unwrap_err();
    assert!(
        matches!(error.kind, CallErrorKind::BadModule(_)),
        "{error:?}"
    );
    answers(&host);
}
