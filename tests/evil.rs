//! Guests that mean harm: each ends in its typed error, and the agent goes on serving as if nothing
//! had happened.
//!
//! They are in `evil/`, written by hand, one trick each; the first line of each says how its call
//! must end. Guests that need native programs or sockets are among the engine's own tests.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use wxec::{
    CallError, CallErrorKind, Grants, Host, Limits, Module,
    call::{Bound, Value},
    host::ConnectOptions,
};

use crate::harness::{Sshd, own_seconds, processes, wait_until, write_script};

/// Guests that never end are ended after this time.
const DEADLINE: Duration = Duration::from_millis(200);

/// A generous limit: only a hang takes so long, even on the busiest machine.
const SOON: Duration = Duration::from_secs(300);

/// The number of calls after which nothing may have piled up.
const MANY: usize = 10_000;

/// The memory that an agent may gain, in kibibytes: pages that the allocator keeps.
const SPARE_KIB: u64 = 8 << 10;

struct Guest {
    name: String,
    expected: String,
    module: Result<Module, String>,
}

fn corpus() -> Vec<Guest> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("evil");
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| guest(file)).collect()
}

fn guest(file: &Path) -> Guest {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(file).unwrap();
    let expected = text
        .lines()
        .next()
        .unwrap()
        .strip_prefix(";; expect: ")
        .unwrap_or_else(|| panic!("{name}"));
    let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let module = Module::from_bytes(&name, wasm).map_err(|error| error.to_string());
    Guest {
        expected: expected.to_owned(),
        module,
        name,
    }
}

/// Makes a call, and returns its outcome in the words of the corpus.
fn call(bound: &Bound, expected: &str) -> String {
    let deadline = if expected == "timeout" {
        DEADLINE
    } else {
        SOON
    };
    let call = bound
        .call::<Value>("evil", &())
        .limits(Limits::default())
        .timeout(deadline);
    kind(call.wait())
}

fn kind<T, E: std::fmt::Debug>(ended: Result<T, CallError<E>>) -> String {
    match ended.map_err(|error| error.kind) {
        Ok(_) => "value".into(),
        Err(CallErrorKind::Timeout { .. }) => "timeout".into(),
        Err(CallErrorKind::Limit { which, .. }) => format!("limit {which}"),
        Err(CallErrorKind::Denied { needs, .. }) => format!("denied {}", needs[0]),
        Err(CallErrorKind::Trap { .. }) => "trap".into(),
        Err(CallErrorKind::Panic { .. }) => "panic".into(),
        Err(CallErrorKind::Decode(_)) => "decode".into(),
        Err(CallErrorKind::BadModule(_)) => "bad module".into(),
        Err(CallErrorKind::Module { .. }) => "module".into(),
        Err(other) => format!("{other:?}"),
    }
}

fn local() -> Host {
    Host::new("local:").unwrap()
}

/// The host behind `sshd`. A script passes its configuration: the environment would be shared by
/// all tests.
fn behind(sshd: &Sshd) -> Host {
    let ssh = sshd.scratch().join("ssh");
    write_script(
        &ssh,
        &format!(
            "#!/bin/sh\nexec ssh -F '{}' \"$@\"\n",
            sshd.config().display()
        ),
    );
    let options = ConnectOptions::new().tool("ssh", ssh.to_str().unwrap());
    Host::new("ssh:host").unwrap().with_options(&options)
}

#[track_caller]
fn each_gets_what_it_deserves(host: &Host) {
    words::count::on(host, "to be".into()).wait().unwrap();
    let agent = agent(host);
    for Guest {
        name,
        expected,
        module,
    } in corpus()
    {
        let came = module.map_or_else(
            |_| "module".into(),
            |module| call(&host.bind(&module), &expected),
        );
        assert_eq!(came, expected, "{name}");
        assert_eq!(
            words::count::on(host, "to be".into()).wait().unwrap(),
            2,
            "after {name}"
        );
    }
    assert_eq!(self::agent(host), agent, "it is another agent");
}

/// The same with guests that an SDK has made, doing what plain WebAssembly cannot do.
#[track_caller]
fn each_task_gets_what_it_deserves(host: &Host) {
    words::count::on(host, "to be".into()).wait().unwrap();
    let agent = agent(host);
    let seconds = own_seconds();
    let sleepers = || processes(&format!("sleep {seconds}"));
    let sleep = || Grants::none().run("sleep").run("sh");
    let came = [
        (
            "boom",
            "panic",
            kind(faulty::boom::on(host, "evil".into()).wait()),
        ),
        (
            "spin",
            "timeout",
            kind(faulty::spin::on(host).timeout(DEADLINE).wait()),
        ),
        (
            "eat",
            "limit memory",
            kind(faulty::eat::on(host).timeout(SOON).wait()),
        ),
        (
            "doze",
            "timeout",
            kind(faulty::doze::on(host, 60_000).timeout(DEADLINE).wait()),
        ),
        (
            "waits",
            "timeout",
            kind(
                tools::run::on(host, "sleep", vec![seconds.clone()])
                    .grant(sleep())
                    .timeout(DEADLINE)
                    .wait(),
            ),
        ),
        (
            "runs",
            "denied --allow-run=sleep",
            kind(tools::run::on(host, "sleep", vec![seconds.clone()]).wait()),
        ),
        (
            "leaves a daemon",
            "timeout",
            kind(
                tools::script::on(
                    host,
                    &format!("setsid sleep {seconds} & sleep {seconds}"),
                    "A",
                    "b",
                )
                .grant(sleep())
                .timeout(DEADLINE)
                .wait(),
            ),
        ),
        (
            "connects",
            "denied --allow-net=127.0.0.1:1",
            kind(tools::fetch::on(host, "127.0.0.1", 1, "evil").wait()),
        ),
        (
            "reads",
            "denied --allow-read=/etc/shadow",
            kind(faulty::read_text::on(host, "/etc/shadow".into()).wait()),
        ),
    ];
    for (name, expected, came) in came {
        assert_eq!(came, expected, "{name}");
    }
    wait_until(SOON, "nothing that was started is left", || {
        sleepers().is_empty()
    });
    assert_eq!(words::count::on(host, "to be".into()).wait().unwrap(), 2);
    assert_eq!(self::agent(host), agent, "it is another agent");
}

#[test]
fn evil_guests_harm_no_local_agent() {
    let host = local();
    each_gets_what_it_deserves(&host);
    each_task_gets_what_it_deserves(&host);
}

#[test]
fn evil_guests_harm_no_agent_behind_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    let host = behind(&sshd);
    each_gets_what_it_deserves(&host);
    each_task_gets_what_it_deserves(&host);
}

/// The resources of an agent that could pile up.
#[derive(Debug)]
struct Holdings {
    memory_kib: u64,
    threads: usize,
    files: usize,
    mappings: usize,
}

fn agent(host: &Host) -> u32 {
    host.report().wait().unwrap().description.pid
}

fn holdings(agent: u32) -> Holdings {
    let list = |what: &str| {
        fs::read_dir(format!("/proc/{agent}/{what}"))
            .unwrap()
            .count()
    };
    let status = fs::read_to_string(format!("/proc/{agent}/status")).unwrap();
    let memory = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    Holdings {
        memory_kib: memory.unwrap().trim().parse().unwrap(),
        threads: list("task"),
        files: list("fd"),
        mappings: fs::read_to_string(format!("/proc/{agent}/maps"))
            .unwrap()
            .lines()
            .count(),
    }
}

/// Every tenth call is of a guest that ends badly, each in turn; those that would wait for their
/// deadline are left out.
#[test]
fn nothing_piles_up_in_ten_thousand_calls() {
    let host = local();
    let quick =
        |guest: &Guest| guest.expected != "timeout" && !guest.name.starts_with("returns_too");
    let guests = corpus().into_iter().filter(quick);
    let evil: Vec<_> = guests
        .filter_map(|guest| Some((host.bind(&guest.module.ok()?), guest.expected, guest.name)))
        .collect();
    let grants = || Grants::none().read("/etc/passwd").run("true");
    let round = |calls: usize| {
        for index in 0..calls {
            if index % 10 == 0 {
                let (guest, expected, name) = &evil[index / 10 % evil.len()];
                assert_eq!(call(guest, expected), *expected, "{name}");
            }
            match index % 100 {
                1 => assert!(
                    faulty::read_text::on(&host, "/etc/passwd".into())
                        .grant(grants())
                        .wait()
                        .is_ok()
                ),
                2 => assert_eq!(
                    tools::run::on(&host, "true", Vec::new())
                        .grant(grants())
                        .wait()
                        .unwrap(),
                    0
                ),
                _ => assert_eq!(words::count::on(&host, "to be".into()).wait().unwrap(), 2),
            }
        }
    };
    round(1000);
    let agent = agent(&host);
    let first = holdings(agent);
    round(MANY);
    // The agent gives back a call's resources after the call has returned.
    let mut last = holdings(agent);
    wait_until(
        SOON,
        "threads that waited for files have ended, and files are closed",
        || {
            last = holdings(agent);
            last.threads <= first.threads && last.files <= first.files
        },
    );
    assert!(
        last.memory_kib <= first.memory_kib + SPARE_KIB,
        "{first:?} became {last:?}"
    );
    // Each pool slot that is used for the first time is a mapping of its own.
    assert!(
        last.mappings <= first.mappings + 64,
        "{first:?} became {last:?}"
    );
}
