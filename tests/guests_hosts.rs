//! The host as guests see it, and tasks that guests call on hosts of their own.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use wxec::{Call, CallError, CallErrorKind, Grants, Host, call::Need, output::GuestOutput};

use crate::harness::{SOON, wait_until};

/// Another host, as far as one machine has one: an agent of its own, behind a program that marks
/// all it starts.
fn another_host() -> (String, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mark = format!(
        "WXEC_TEST_MARK={}.{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    (format!(r#"exec:["env","{mark}"]"#), mark)
}

/// Counts the processes that bear this mark.
fn marked(mark: &str) -> usize {
    let environments = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|it| fs::read(it.ok()?.path().join("environ")).ok());
    environments
        .filter(|them| {
            them.split(|byte| *byte == 0)
                .any(|variable| variable == mark.as_bytes())
        })
        .count()
}

fn local() -> Host {
    Host::new("local:").unwrap()
}

/// Returns the outcome of a call that may use the host at `address`.
fn granted<T: Send + 'static, E: Send + 'static>(
    call: Call<T, E>,
    address: &str,
) -> Result<T, CallError<E>> {
    call.grant(Grants::none().host(address)).wait()
}

#[test]
fn a_task_calls_a_task_on_a_host_of_its_own() {
    let (address, mark) = another_host();
    let home = local();
    let text = || "to be or not to be".to_owned();
    assert_eq!(
        granted(relay::count_at::on(&home, &address, text()), &address).unwrap(),
        12
    );
    wait_until(SOON, "its host is closed", || marked(&mark) == 0);
    assert!(home.is_connected(), "the one it ran on is not");
    assert_eq!(
        granted(relay::count_later_at::on(&home, &address, text()), "*").unwrap(),
        6
    );
}

#[test]
fn its_own_host_is_the_local_one() {
    let (address, _) = another_host();
    let there = Host::new(&address).unwrap();
    assert_eq!(
        granted(
            relay::count_at::on(&there, "local:", "a b".into()),
            "local:"
        )
        .unwrap(),
        4
    );
    assert_eq!(
        relay::count_at("local:", "a b".into()).unwrap(),
        4,
        "and this machine's, if it runs here"
    );
}

#[test]
fn a_host_that_was_not_granted_is_named_with_its_flag() {
    let home = local();
    for grants in [Grants::none(), Grants::none().host("ssh:db2").facts()] {
        let error = relay::count_at::on(&home, "ssh:db1", "a".into())
            .grant(grants)
            .wait()
            .unwrap_err();
        let CallErrorKind::Denied { needs, .. } = &error.kind else {
            panic!("{error:?}")
        };
        assert_eq!(*needs, [Need::Host("ssh:db1".into())]);
        assert!(
            error.to_string().contains("--allow-host=ssh:db1"),
            "{error}"
        );
    }
    let heard = relay::fail_at::on(&home, "ssh:db1", "", None)
        .wait()
        .unwrap();
    assert_eq!(
        heard,
        "Denied db1: not granted: needs --allow-host=ssh:db1; declare it in `#[remote(…)]`, \
         or grant it with `Call::grant`",
        "a task may do without"
    );
}

#[test]
fn a_task_hears_why_its_call_failed() {
    let (address, _) = another_host();
    let home = local();
    let heard = |how: &str, timeout| {
        granted(relay::fail_at::on(&home, &address, how, timeout), "*").unwrap()
    };
    let name = &address;
    assert_eq!(heard("", None), "0 bytes");
    assert_eq!(
        heard("odd", None),
        format!("Task {name}: the task failed: Odd(7)")
    );
    assert_eq!(
        heard("sleep", Some(200)),
        format!("Timeout {name}: no answer after 200ms (running the task)")
    );
    let panic = heard("panic", None);
    assert!(
        panic.starts_with(&format!("Panic {name}: the task panicked at ")),
        "{panic}"
    );
    assert!(panic.contains("relay/src/lib.rs:"), "{panic}");
    assert!(panic.ends_with(": as told"), "{panic}");
    let long = heard("long", None);
    let limit = format!("Limit {name}: output limit of 1048576 bytes hit: ");
    assert!(long.starts_with(&limit), "{long}");
    assert!(
        long.ends_with("; raise it with `Limits::output_bytes` or `--output`"),
        "{long}"
    );
    let denied = heard("facts", None);
    assert!(
        denied.starts_with(&format!("Denied {name}: not granted: needs --allow-facts")),
        "{denied}"
    );

    let heard = |address: &str| granted(relay::fail_at::on(&home, address, "", None), "*").unwrap();
    let unreachable = heard("ssh:nobody@127.0.0.1:1");
    assert!(
        unreachable.starts_with("Unreachable nobody@127.0.0.1:1: unreachable (connecting): "),
        "{unreachable}"
    );
    let none = heard("nothing:there");
    assert!(
        none.starts_with("Unreachable nothing:there: unreachable (reading its address): "),
        "{none}"
    );
}

#[test]
fn arguments_for_another_host_are_limited() {
    let home = local();
    assert_eq!(
        granted(relay::length_at::on(&home, "local:", 1_000_000), "local:").unwrap(),
        1_000_000
    );
    let error = granted(relay::length_at::on(&home, "local:", 2_000_000), "local:").unwrap_err();
    assert!(
        matches!(
            error.kind,
            CallErrorKind::Limit {
                limit: 1_048_576,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_call_that_is_dropped_leaves_nothing_on_its_hosts() {
    let (address, mark) = another_host();
    let home = local();
    home.connect().wait().unwrap();
    let call = relay::fail_at::on(&home, &address, "sleep", None).grant(Grants::none().host("*"));
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    tokio.block_on(async {
        let running = async {
            while marked(&mark) == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            ended = async { call.await } => panic!("{ended:?}"),
            () = running => {}
        }
    });
    wait_until(SOON, "nothing is left", || marked(&mark) == 0);
    assert_eq!(
        granted(relay::count_at::on(&home, "local:", "a".into()), "*").unwrap(),
        2,
        "but the session"
    );
}

#[test]
fn a_deadline_holds_for_what_a_task_calls() {
    let (address, mark) = another_host();
    let home = local();
    granted(relay::count_at::on(&home, &address, "a".into()), "*").unwrap();
    let start = Instant::now();
    let call = relay::fail_at::on(&home, &address, "sleep", None).timeout(Duration::from_secs(2));
    let error = granted(call, "*").unwrap_err();
    assert!(
        matches!(error.kind, CallErrorKind::Timeout { .. }),
        "{error:?}"
    );
    assert!(
        start.elapsed() < SOON / 2,
        "the task would sleep for a minute: {:?}",
        start.elapsed()
    );
    wait_until(SOON, "nothing is left", || marked(&mark) == 0);
}

#[test]
fn what_is_logged_there_bears_the_name_of_the_place() {
    let (address, _) = another_host();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = seen.clone();
    let home = local().with_output(Arc::new(move |host, output| {
        let GuestOutput::Log(record) = output else {
            panic!("{output:?}")
        };
        keep.lock().unwrap().push(format!("[{host}] {record}"));
    }));
    granted(relay::fail_at::on(&home, &address, "log", None), "*").unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [format!("[local:/{address}] WARN relay: as told")]
    );
}

/// The agent asks for a host that was not granted, and that no guest asked for.
#[test]
fn an_agent_that_lies_reaches_no_host() {
    let canary = tempfile::tempdir().unwrap();
    let path = canary.path().join("reached");
    let asked = format!(r#"exec:["touch","{}"]"#, path.display());
    let asks = asked.replace('"', "'");
    let address = format!(
        r#"exec:["env","WXEC_TEST_ASKS={asks}","{}"]"#,
        env!("CARGO_BIN_EXE_wxec-test-hop")
    );
    for grants in [
        Grants::none(),
        Grants::none().host("ssh:db1"),
        Grants::none().host("local:").facts(),
    ] {
        let liar = Host::new(&address).unwrap();
        let error = relay::count::on(&liar, "a".into())
            .grant(grants)
            .wait()
            .unwrap_err();
        let CallErrorKind::Lost { reason, .. } = &error.kind else {
            panic!("{error:?}")
        };
        assert_eq!(
            reason,
            "it broke the protocol: call 0 asks for a host it was not granted"
        );
    }
    assert!(!path.exists(), "nothing was run");
}

#[test]
fn a_task_learns_where_it_is() {
    let facts = relay::facts::on(&local())
        .grant(Grants::none().facts())
        .wait()
        .unwrap();
    let here = wxec::here::facts().unwrap();
    assert_eq!(
        (&facts.hostname, &facts.kernel, &facts.arch),
        (&here.hostname, &here.kernel, &here.arch)
    );
    assert_eq!(
        (&facts.distro, &facts.addresses, facts.uid),
        (&here.distro, &here.addresses, here.uid)
    );
    assert!(facts.cpus > 0 && facts.memory_bytes > 0, "{facts:?}");

    let error = relay::facts::on(&local()).wait().unwrap_err();
    assert!(
        matches!(&error.kind, CallErrorKind::Denied { needs, .. } if *needs == [Need::Facts]),
        "{error:?}"
    );
    assert!(error.to_string().contains("--allow-facts"), "{error}");
}
