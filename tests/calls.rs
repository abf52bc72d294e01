//! Calls from a program: typed through the stubs of `#[remote]`, untyped through a module; on one
//! host and on several.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::IntoFuture,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use faulty::Refusal;
use tokio::task::JoinSet;
use wxec::{
    Bytes, CallError, CallErrorKind, Fleet, Host, Limits, Module,
    call::{LimitKind, Phase, Value},
    output::GuestOutput,
};

const SOON: Duration = Duration::from_millis(300);

/// The time for a task that is to run, or to print, before it is ended.
const A_WHILE: Duration = Duration::from_secs(5);

/// Nothing listens there: the port is a privileged one that machines do not use.
const REFUSED: &str = "ssh:127.0.0.1:1";

fn local() -> Host {
    Host::new("local:").unwrap()
}

fn module(package: &str) -> Module {
    Module::from_package(env!("CARGO_MANIFEST_DIR"), package).unwrap()
}

/// Shows that the session is unharmed.
#[track_caller]
fn serves_the_next_call(host: &Host) {
    assert!(host.is_connected());
    let connections = host.stats().connect;
    assert_eq!(
        words::count::on(host, "to be or not to be".into())
            .wait()
            .unwrap(),
        6
    );
    assert_eq!(host.stats().connect, connections, "it is another session");
}

#[test]
fn a_task_returns_there_what_it_returns_here() {
    let host = local();
    let text = "to be or not to be".to_owned();
    assert_eq!(
        words::count::on(&host, text.clone()).wait().unwrap(),
        words::count(text.clone())
    );
    assert_eq!(
        words::top::on(&host, text.clone(), 2).wait().unwrap(),
        [("be".to_owned(), 2), ("to".to_owned(), 2)]
    );
    let lengths: BTreeMap<usize, usize> = words::stats::lengths::on(&host, &text).wait().unwrap();
    assert_eq!(lengths, BTreeMap::from([(2, 5), (3, 1)]));
    assert_eq!(faulty::doze::on(&host, 1).wait().unwrap(), 1);
}

/// The smallest possible executor.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl IntoFuture<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future.into_future());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn any_executor_can_await_a_call() {
    let host = local();
    let text = "to be or not to be";
    assert_eq!(block_on(words::count::on(&host, text.into())).unwrap(), 6);
    // A deadline needs a clock, which this executor lacks.
    assert_eq!(
        block_on(words::count::on(&host, text.into()).timeout(Duration::from_secs(60))).unwrap(),
        6
    );
    block_on(async { host.close().await });
    assert!(!host.is_connected());

    let tokio = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert_eq!(
        tokio
            .block_on(async { words::count::on(&host, text.into()).await })
            .unwrap(),
        6
    );
}

#[test]
fn calls_on_one_host_run_at_once_and_share_its_connection() {
    let host = local();
    faulty::sleep::on(&host, 1).wait().unwrap();
    words::count::on(&host, String::new()).wait().unwrap();
    let before = host.stats();
    let calls = (0..50).map(|n| words::count::on(&host, "word ".repeat(n)).into_future());
    let tokio = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    tokio.block_on(async {
        let short = async {
            let values = calls.collect::<JoinSet<_>>().join_all().await;
            values
                .into_iter()
                .map(Result::unwrap)
                .collect::<BTreeSet<_>>()
        };
        tokio::select! {
            biased;
            ended = faulty::spin::on(&host).into_future() => panic!("{ended:?}"),
            values = short => assert!(values.into_iter().eq(0..50)),
        }
    });
    let after = host.stats();
    assert_eq!(
        (after.connect, after.module_bytes),
        (before.connect, before.module_bytes)
    );
}

#[test]
fn a_call_that_is_dropped_leaves_the_session_to_the_next() {
    let host = local();
    host.connect().wait().unwrap();
    for _ in 0..3 {
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let call = faulty::spin::on(&host);
        tokio
            .block_on(async { tokio::time::timeout(SOON, call).await })
            .unwrap_err();
    }
    serves_the_next_call(&host);
}

#[test]
fn the_second_call_is_one_round_trip_and_sends_no_module() {
    let host = local();
    words::count::on(&host, "to be".into()).wait().unwrap();
    let first = host.stats();
    assert!(first.module_bytes > 0);

    words::stats::lengths::on(&host, "or not").wait().unwrap();

    let second = host.stats();
    assert_eq!(second.module_bytes, first.module_bytes);
    assert_eq!(second.round_trips, first.round_trips + 1);
    let sent = second.bytes_sent - first.bytes_sent;
    assert!(sent < 200, "{sent} bytes were sent");
}

#[test]
fn a_closed_host_connects_anew() {
    let host = local();
    assert!(!host.is_connected(), "making a host does no I/O");
    words::count::on(&host, "to be".into()).wait().unwrap();
    host.close().wait();
    assert!(!host.is_connected());
    assert_eq!(host.stats().module_bytes, 0);
    assert_eq!(words::count::on(&host, "to be".into()).wait().unwrap(), 2);
    host.reconnect().wait().unwrap();
    serves_the_next_call(&host);
}

#[test]
fn a_clone_of_a_host_shares_its_connection() {
    let host = local();
    host.connect().wait().unwrap();
    let clone = host.clone();
    drop(host);
    serves_the_next_call(&clone);
}

#[test]
fn an_error_that_does_not_travel_arrives_with_its_type_text_and_sources() {
    let host = local();
    let error = faulty::fail::on(&host).wait().unwrap_err();
    let CallErrorKind::Failed(failure) = &error.kind else {
        panic!("{error:?}")
    };
    assert!(failure.type_name.contains("anyhow"), "{failure:?}");
    assert_eq!(failure.message, "cannot count the words");
    assert_eq!(failure.chain, ["cannot read words.txt", "no such file"]);
    assert_eq!(
        error.to_string(),
        format!(
            "{host}: the task failed: cannot count the words: cannot read words.txt: no such file"
        )
    );
    serves_the_next_call(&host);
}

#[test]
fn an_error_that_travels_arrives_as_itself() {
    let host = local();
    assert_eq!(faulty::refuse::on(&host, 7).wait().unwrap(), 7);
    let error: CallError<Refusal> = faulty::refuse::on(&host, 11).wait().unwrap_err();
    assert!(
        matches!(
            error.kind,
            CallErrorKind::Task(Refusal::TooBig { n: 11, max: 10 })
        ),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        format!("{host}: the task failed: 11 is more than 10")
    );
    let error = faulty::refuse::on(&host, 0).wait().unwrap_err();
    assert!(
        matches!(error.kind, CallErrorKind::Task(Refusal::Unwilling)),
        "{error:?}"
    );
}

#[test]
fn a_panic_arrives_with_its_message_and_place() {
    let host = local();
    let error = faulty::boom::on(&host, "no more".into())
        .wait()
        .unwrap_err();
    let CallErrorKind::Panic {
        message,
        location: Some(location),
        frames,
    } = &error.kind
    else {
        panic!("{error:?}")
    };
    assert_eq!(message, "no more");
    let line = include_str!("../guests/faulty/src/lib.rs")
        .lines()
        .position(|line| line.contains("panic!("))
        .unwrap()
        + 1;
    assert!(
        location.contains(&format!("src/lib.rs:{line}:")),
        "{location}"
    );
    assert!(
        frames.iter().any(|frame| frame.function.contains("boom")),
        "{frames:?}"
    );
    serves_the_next_call(&host);
}

#[test]
fn a_task_that_wants_more_memory_than_it_may_have_is_told_how_much() {
    let host = local();
    let limits = Limits {
        memory_bytes: 32 << 20,
        ..Limits::default()
    };
    let error = faulty::eat::on(&host).limits(limits).wait().unwrap_err();
    let CallErrorKind::Limit {
        which: LimitKind::Memory,
        limit,
        asked,
    } = error.kind
    else {
        panic!("{error:?}")
    };
    assert_eq!(limit, 32 << 20);
    assert!(asked > limit, "{asked}");
    serves_the_next_call(&host);
}

#[test]
fn a_task_that_descends_for_ever_hits_the_stack_limit() {
    let host = local();
    let error = faulty::deep::on(&host).wait().unwrap_err();
    assert!(
        matches!(
            error.kind,
            CallErrorKind::Limit {
                which: LimitKind::Stack,
                ..
            }
        ),
        "{error:?}"
    );
    serves_the_next_call(&host);
}

#[test]
fn a_value_longer_than_allowed_is_not_sent() {
    let host = local();
    let limits = Limits {
        output_bytes: 1 << 20,
        ..Limits::default()
    };
    let error = faulty::blob::on(&host, 2 << 20)
        .limits(limits)
        .wait()
        .unwrap_err();
    let CallErrorKind::Limit {
        which: LimitKind::Output,
        limit,
        asked,
    } = error.kind
    else {
        panic!("{error:?}")
    };
    assert_eq!(limit, 1 << 20);
    assert!(asked > 2 << 20, "{asked}");
    assert!(host.stats().bytes_received < 1 << 20);
    serves_the_next_call(&host);
}

#[test]
fn a_call_ends_at_its_deadline_whatever_the_task_does() {
    let host = local();
    faulty::sleep::on(&host, 1).wait().unwrap();
    for call in [
        faulty::sleep::on(&host, 60_000),
        faulty::doze::on(&host, 60_000),
    ] {
        let error = call.timeout(SOON).wait().unwrap_err();
        assert!(
            matches!(
                error.kind,
                CallErrorKind::Timeout {
                    after: SOON,
                    phase: Phase::Run
                }
            ),
            "{error:?}"
        );
    }
    let error = faulty::spin::on(&host).timeout(SOON).wait().unwrap_err();
    assert!(
        matches!(
            error.kind,
            CallErrorKind::Timeout {
                after: SOON,
                phase: Phase::Run
            }
        ),
        "{error:?}"
    );
    serves_the_next_call(&host);
}

#[test]
fn a_task_that_exits_ends_itself_alone() {
    let host = local();
    let error = faulty::exit::on(&host, 3).wait().unwrap_err();
    assert!(
        matches!(&error.kind, CallErrorKind::Trap { reason, .. } if reason.contains('3')),
        "{error:?}"
    );
    serves_the_next_call(&host);
}

#[test]
fn sixty_four_mebibytes_go_there_and_come_back() {
    let host = local();
    let mut bytes = (0..=250).collect::<Vec<u8>>().repeat((64 << 20) / 251 + 1);
    bytes.truncate(64 << 20);
    let bytes = Bytes::from(bytes);
    let back = faulty::echo::on(&host, bytes.clone()).wait().unwrap();
    assert!(back == bytes, "{} bytes came back, or others", back.len());
}

#[test]
fn what_a_task_prints_arrives_line_by_line() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = seen.clone();
    let host = local().with_output(Arc::new(move |host, output| {
        keep.lock().unwrap().push(format!("{host} {output:?}"))
    }));
    faulty::say::on(&host, "one\ntwo").wait().unwrap();
    let outputs = [
        GuestOutput::Stdout(b"out: one\n"),
        GuestOutput::Stderr(b"err: one\n"),
        GuestOutput::Stdout(b"two"),
        GuestOutput::Stderr(b"two"),
    ];
    assert_eq!(
        *seen.lock().unwrap(),
        outputs.map(|output| format!("{} {output:?}", host.name()))
    );
}

#[test]
fn a_listener_that_panics_or_takes_its_time_costs_no_call_its_value() {
    let times = Arc::new(Mutex::new(0));
    let count = times.clone();
    let host = local().with_output(Arc::new(move |_, _| {
        let mut times = count
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *times += 1;
        match *times {
            1 => panic!("a listener panics on purpose"),
            2 => thread::sleep(2 * A_WHILE),
            _ => {}
        }
    }));
    faulty::say::on(&host, "one").wait().unwrap();
    faulty::say::on(&host, "two")
        .timeout(A_WHILE)
        .wait()
        .unwrap();
    faulty::say::on(&host, "three").wait().unwrap();
    assert!(
        *times
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            >= 5
    );
}

#[test]
fn what_a_task_logs_arrives_with_its_level_and_its_target() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = seen.clone();
    let host = local().with_output(Arc::new(move |host, output| {
        let GuestOutput::Log(record) = output else {
            panic!("{output:?}")
        };
        keep.lock().unwrap().push(format!("[{host}] {record}"));
    }));
    faulty::log_all::on(&host, "two\nlines").wait().unwrap();
    let levels = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
    let mut expected: Vec<_> = levels
        .iter()
        .map(|level| format!("[local] {level} faulty: two\nlines"))
        .collect();
    expected.push("[local] INFO elsewhere: always the same".into());
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// Keeps the log records of this program.
struct Kept(Mutex<Vec<String>>);

impl log::Log for Kept {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(format!(
            "{} {}: {}",
            record.level(),
            record.target(),
            record.args()
        ));
    }

    fn flush(&self) {}
}

#[test]
fn a_task_that_runs_here_logs_as_this_program_does() {
    static LOGGER: Kept = Kept(Mutex::new(Vec::new()));
    log::set_logger(&LOGGER).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    faulty::log_all("here");
    let kept = LOGGER.0.lock().unwrap();
    let ours: Vec<_> = kept.iter().filter(|line| line.ends_with("here")).collect();
    assert_eq!(
        ours,
        [
            "ERROR faulty: here",
            "WARN faulty: here",
            "INFO faulty: here"
        ]
    );
}

#[test]
fn a_task_that_never_stops_printing_is_cut() {
    let printed = Arc::new(Mutex::new(Vec::new()));
    let keep = printed.clone();
    let host = local().with_output(Arc::new(move |_, output| match output {
        GuestOutput::Stdout(bytes) | GuestOutput::Stderr(bytes) => {
            keep.lock().unwrap().extend_from_slice(bytes)
        }
        other => panic!("{other:?}"),
    }));
    faulty::sleep::on(&host, 1).wait().unwrap();
    let limits = Limits {
        stdio_bytes: 10_000,
        ..Limits::default()
    };
    let error = faulty::chatter::on(&host)
        .limits(limits)
        .timeout(A_WHILE)
        .wait()
        .unwrap_err();
    assert!(
        matches!(error.kind, CallErrorKind::Timeout { .. }),
        "{error:?}"
    );
    let printed = String::from_utf8(printed.lock().unwrap().clone()).unwrap();
    let (kept, note) = printed.split_once("(wxec: ").unwrap();
    assert!(kept.starts_with("line 0\nline 1\n"), "{kept}");
    assert_eq!(kept.trim_end().len().next_multiple_of(10), 10_000);
    assert!(
        note.ends_with(" bytes of output beyond the limit were dropped)\n"),
        "{note}"
    );
    serves_the_next_call(&host);
}

#[test]
fn a_module_is_called_by_name_with_a_list_or_by_parameter() {
    let words = local().bind(&module("words"));
    assert_eq!(
        words
            .call::<usize>("words::count", &("to be",))
            .wait()
            .unwrap(),
        2
    );
    assert_eq!(
        words
            .call::<usize>("count", &["or not to be"])
            .wait()
            .unwrap(),
        4
    );
    let by_name = Value::Map(vec![
        ("n".into(), 1.into()),
        ("text".into(), "a b a".into()),
    ]);
    assert_eq!(
        words
            .call::<Vec<(String, usize)>>("top", &by_name)
            .wait()
            .unwrap(),
        [("a".to_owned(), 2)]
    );
    let untyped: Value = words.call("stats::lengths", &("a bb",)).wait().unwrap();
    assert_eq!(
        untyped,
        Value::Map(vec![(1.into(), 1.into()), (2.into(), 1.into())])
    );
}

#[test]
fn arguments_that_do_not_fit_are_named() {
    let words = local().bind(&module("words"));
    let by_name = Value::Map(vec![("txt".into(), "a b a".into())]);
    for (call, argument) in [
        (words.call::<usize>("count", &(1,)), "`text`"),
        (words.call("top", &("a b a", -1)), "`n`"),
        (words.call("top", &("a b a",)), "`n`"),
        (words.call("count", &by_name), "`txt`"),
        (words.call("count", &("a", "b")), "2"),
        (words.call("count", &7), "neither an array nor a map"),
    ] {
        let error = call.wait().unwrap_err();
        let CallErrorKind::BadArguments(reason) = &error.kind else {
            panic!("{error:?}")
        };
        assert!(reason.contains(argument), "{reason}");
    }
}

#[test]
fn a_function_that_is_not_there_is_named() {
    let host = local();
    let words = host.bind(&module("words"));
    let error = words.call::<()>("cuont", &()).wait().unwrap_err();
    assert!(
        matches!(&error.kind, CallErrorKind::NoSuchFunction { function, .. } if function == "cuont"),
        "{error:?}"
    );
    let error = host
        .bind(&module("faulty"))
        .call::<u8>("faulty::rare", &())
        .wait()
        .unwrap_err();
    let hint = error.erase().hint().unwrap();
    assert!(hint.starts_with("`rare` (src/lib.rs:"), "{hint}");
    assert!(
        hint.ends_with(") is compiled only with feature `rare`"),
        "{hint}"
    );
    serves_the_next_call(&host);
}

#[test]
fn a_value_of_another_type_is_no_value() {
    let words = local().bind(&module("words"));
    let error = words
        .call::<String>("count", &("to be",))
        .wait()
        .unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Decode(_)), "{error:?}");
}

#[test]
fn hosts_that_differ_in_their_listener_share_a_connection() {
    let host = local();
    host.connect().wait().unwrap();
    let other = host.with_output(Arc::new(|_, _| {}));
    assert!(other.is_connected());
    assert_eq!(other.stats().connect, host.stats().connect);
    other.close().wait();
    assert!(!host.is_connected());
}

#[test]
fn a_fleet_tells_of_every_host_how_it_went() {
    let fleet = Fleet::new(["local:", REFUSED]).unwrap();
    let names: Vec<_> = fleet
        .hosts()
        .iter()
        .map(|host| host.name().to_owned())
        .collect();
    let outcomes = words::count::on(&fleet, "to be".into()).wait();

    assert_eq!(outcomes.successes().collect::<Vec<_>>(), [(&*names[0], &2)]);
    let failures: Vec<_> = outcomes.failures().collect();
    let [
        (
            host,
            CallError {
                kind: CallErrorKind::Unreachable(unreachable),
                ..
            },
        ),
    ] = &*failures
    else {
        panic!("{failures:?}")
    };
    assert_eq!(*host, names[1]);
    assert_eq!(unreachable.phase, Phase::Connect);
    assert!(
        unreachable.reason.contains("Connection refused"),
        "ssh's own words: {unreachable:?}"
    );

    let error = outcomes.into_result().unwrap_err();
    assert_eq!((error.hosts, error.failures.len()), (2, 1));
    let text = error.to_string();
    assert!(
        text.starts_with("1 of 2 hosts failed\n") && text.contains(&names[1]),
        "{text}"
    );
}

#[test]
fn a_fleet_without_failures_is_a_list_of_values() {
    let fleet: Fleet = [local(), local()].into_iter().collect();
    assert_eq!(fleet.hosts().len(), 1, "the same place twice is one place");
    let outcomes = words::count::on(&fleet, "to be".into()).wait();
    assert_eq!(outcomes.iter().count(), 1);
    let values = outcomes.into_result().unwrap();
    assert_eq!((&*values[0].0, values[0].1), (fleet.hosts()[0].name(), 2));
    fleet.close().wait();
    assert!(!fleet.hosts()[0].is_connected());
}
