//! Files and trees, to hosts and from them, by the command and by the library.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Signal, kill_process};
use serde_json::Value as Json;
use tempfile::TempDir;
use wxec::{
    Host,
    host::ConnectOptions,
    transfer::{Event, FailureKind, TransferErrorKind, TransferOptions},
};

use crate::harness::{
    Cli, Ended, Machine, Network, Pid, Sshd, descendants, kill, needs, processes, wait_until,
};

/// Long enough for a loaded machine.
const SOON: Duration = Duration::from_secs(60);

/// Large enough to be cut in the middle.
const LARGE: usize = 192 << 20;

/// The most memory that each end may use for files of any size.
const MAX_PEAK_BYTES: u64 = 64 << 20;

/// The time limit for four gibibytes, which take half a minute on an idle machine.
const FOUR_GIBIBYTES_WITHIN: Duration = Duration::from_secs(600);

/// Returns bytes that no program can compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(length + 8);
    while noise.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend(state.to_le_bytes());
    }
    noise.truncate(length);
    noise
}

fn wxec<A: AsRef<str>>(arguments: impl IntoIterator<Item = A>) -> Cli {
    Cli::new(
        arguments
            .into_iter()
            .map(|argument| argument.as_ref().to_owned()),
    )
}

/// Parses the output of `--format json`; fails if the command did.
#[track_caller]
fn done(ended: &Ended) -> Json {
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// Names and contents below a directory.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(path) = pending.pop() {
        let inner = path.strip_prefix(root).unwrap().to_path_buf();
        if path.is_dir() {
            pending.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            found.insert(inner, Vec::new());
        } else {
            found.insert(inner, fs::read(path).unwrap());
        }
    }
    found
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn sample() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("site/img/none")).unwrap();
    fs::write(place.path().join("site/index.html"), "<p>").unwrap();
    fs::write(place.path().join("site/empty"), "").unwrap();
    fs::write(place.path().join("site/img/a b.png"), noise(300_000)).unwrap();
    place
}

#[test]
fn files_and_trees_go_there_and_back() {
    let Some(sshd) = Sshd::start() else { return };
    let place = sample();
    let path = |name: &str| place.path().join(name).display().to_string();
    for host in ["local:", "ssh:host"] {
        let there = sshd.home().join("there");
        let target = format!("{host}:{}", there.display()).replace("::", ":");
        let put = done(
            &wxec(["put", &path("site"), &target, "--format", "json"])
                .hosts(&sshd)
                .run(),
        );
        assert_eq!(
            (&put["files"], &put["bytes"], &put["skipped"]),
            (&3.into(), &300_003.into(), &0.into())
        );
        assert_eq!(tree(&there), tree(&place.path().join("site")));
        let again = done(
            &wxec(["put", &path("site"), &target, "--format", "json"])
                .hosts(&sshd)
                .run(),
        );
        assert_eq!((&again["files"], &again["skipped"]), (&0.into(), &3.into()));
        let ended = wxec(["get", &target, &path("back")]).hosts(&sshd).run();
        assert_eq!(ended.exit_code, Some(0), "{ended:?}");
        assert!(
            ended.stdout.is_empty() && ended.stderr.contains("3 files received (293.0 KiB)"),
            "{ended:?}"
        );
        assert_eq!(
            tree(&place.path().join("back")),
            tree(&place.path().join("site"))
        );
        let one = done(
            &wxec([
                "get",
                &format!("{target}/img/a b.png"),
                &path("back/one"),
                "--format",
                "json",
            ])
            .hosts(&sshd)
            .run(),
        );
        assert_eq!(
            one["sha256"],
            wxec::module::Digest::of(&noise(300_000)).to_string()
        );
        fs::remove_dir_all(place.path().join("back")).unwrap();
        fs::remove_dir_all(there).unwrap();
    }
}

#[test]
fn a_path_begins_at_home_over_ssh() {
    let Some(sshd) = Sshd::start() else { return };
    let place = sample();
    let source = place.path().join("site/index.html").display().to_string();
    for (target, file) in [
        ("notes.txt", "notes.txt"),
        ("~/a:b", "a:b"),
        ("", "index.html"),
        ("./", "index.html"),
    ] {
        let ended = wxec(["put", &source, &format!("ssh:host:{target}")])
            .hosts(&sshd)
            .run();
        assert_eq!(ended.exit_code, Some(0), "{ended:?}");
        assert_eq!(
            fs::read(sshd.home().join(file)).unwrap(),
            b"<p>",
            "{target}"
        );
        fs::remove_file(sshd.home().join(file)).unwrap();
    }
}

#[test]
fn a_dry_run_prints_what_it_would_do() {
    let place = sample();
    fs::create_dir(place.path().join("target")).unwrap();
    fs::write(place.path().join("target/old"), "").unwrap();
    let (source, target) = (
        place.path().join("site").display().to_string(),
        place.path().join("target"),
    );
    let ended = wxec([
        "-q",
        "put",
        &source,
        &format!("local:{}", target.display()),
        "-n",
        "--delete",
    ])
    .run();
    let mut lines: Vec<_> = ended.stdout.lines().collect();
    lines.sort_unstable();
    let changes = ["create", "create", "create", "create", "create", "delete"];
    let names = [
        "empty",
        "img",
        "img/a b.png",
        "img/none",
        "index.html",
        "old",
    ];
    let expected: Vec<_> = changes
        .iter()
        .zip(names)
        .map(|(change, name)| format!("{change} {}/{name}", target.display()))
        .collect();
    assert_eq!(lines, expected, "{ended:?}");
    assert_eq!(self::names(&target), ["old"]);
}

#[test]
fn what_is_in_the_way_is_said_in_a_line() {
    let place = sample();
    let path = |name: &str| place.path().join(name).display().to_string();
    let complaint = |arguments: &[&str]| {
        let ended = Cli::new(["-q"].iter().chain(arguments)).run();
        (ended.exit_code.unwrap(), ended.stderr.trim_end().to_owned())
    };
    let local = |name: &str| format!("local:{}", path(name));
    assert_eq!(
        complaint(&["get", &local("absent"), &path("x")]),
        (
            1,
            format!(
                "error: local: cannot find {}: no such file or directory",
                path("absent")
            )
        )
    );
    assert_eq!(
        complaint(&["put", &path("absent"), &local("x")]),
        (
            1,
            format!(
                "error: local: cannot find {}: no such file or directory (on this machine)",
                path("absent")
            )
        )
    );
    assert_eq!(
        complaint(&["put", &path("site/empty"), &local("site")]),
        (
            1,
            format!(
                "error: local: cannot replace {}: it is a directory; to put it into a directory, end the directory's \
                 name with `/`",
                path("site")
            )
        )
    );
    assert_eq!(
        complaint(&["put", &path("site/empty"), &local("a/b")]),
        (
            1,
            format!(
                "error: local: cannot create {}: no such file or directory; `--parents` makes missing directories",
                path("a")
            )
        )
    );
    assert_eq!(
        complaint(&["get", "/etc/hosts", "hosts"]),
        (
            2,
            "error: `/etc/hosts` names no host; write TARGET:PATH, as in `web1:/etc/motd`".into()
        )
    );
    assert_eq!(complaint(&["put", &path("site"), "127.0.0.1:1:/x"]).0, 3);
}

#[test]
fn a_source_that_is_missing_is_found_out_before_connecting() {
    // Nothing listens there: connecting would end with exit code 3.
    let ended = wxec(["put", "/no/such/file", "127.0.0.1:1:/x"]).run();
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("cannot find /no/such/file: no such file or directory"),
        "{ended:?}"
    );
    let ended = wxec(["get", "127.0.0.1:1:/etc/hostname", "/dev/stdout"]).run();
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("cannot replace /dev/stdout: it is neither a file nor a directory"),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .contains("`-` is for standard input and output"),
        "{ended:?}"
    );
    assert!(fs::symlink_metadata("/dev/stdout").unwrap().is_symlink());
}

#[test]
fn standard_input_and_output_are_files_named_by_a_dash() {
    let Some(sshd) = Sshd::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let content = noise(3_000_000);
    let target = format!("ssh:host:{}", sshd.home().join("target").display());
    let put = wxec(["-q", "put", "-", &target, "--mode", "600"])
        .hosts(&sshd)
        .input(content.clone())
        .run();
    assert_eq!(put.exit_code, Some(0), "{put:?}");
    assert!(fs::read(sshd.home().join("target")).unwrap() == content);
    assert_eq!(
        fs::metadata(sshd.home().join("target")).unwrap().mode() & 0o7777,
        0o600
    );

    let got = place.path().join("got");
    let get = wxec(["get", &target, "-"])
        .hosts(&sshd)
        .output(File::create(&got).unwrap())
        .run();
    assert_eq!(get.exit_code, Some(0), "{get:?}");
    assert!(fs::read(&got).unwrap() == content);

    let full = wxec(["get", &target, "-"])
        .hosts(&sshd)
        .output(File::options().write(true).open("/dev/full").unwrap())
        .run();
    assert_eq!(full.exit_code, Some(1), "{full:?}");
    assert!(
        full.stderr
            .contains("cannot write the output: no space left there"),
        "{full:?}"
    );
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let closed = wxec(["get", &target, "-"])
        .hosts(&sshd)
        .output(closed)
        .run();
    assert_eq!(
        (closed.exit_code, &*closed.stderr),
        (Some(141), ""),
        "{closed:?}"
    );

    let home = format!("ssh:host:{}", sshd.home().display());
    for (arguments, why) in [
        (vec!["get", &*home, "-"], (1, "it is a directory")),
        (
            vec!["get", "local:,ssh:host:/etc/hostname", "-"],
            (2, "standard output is for one host, not for 2"),
        ),
        (
            vec!["get", &*target, "-", "--format", "json"],
            (2, "--format prints on standard output"),
        ),
        (
            vec!["put", "-", "local:,ssh:host:/x"],
            (2, "standard input goes to one host, not to 2"),
        ),
        (
            vec!["put", "-", "ssh:host:/tmp/"],
            (2, "standard input has no name to be put under"),
        ),
    ] {
        let ended = wxec(arguments).hosts(&sshd).run();
        assert!(
            ended.exit_code == Some(why.0) && ended.stderr.contains(why.1),
            "{ended:?}"
        );
        assert!(ended.stdout.is_empty(), "{ended:?}");
    }
}

#[test]
fn several_sources_go_into_a_directory() {
    let place = sample();
    fs::write(place.path().join("one"), "1").unwrap();
    fs::create_dir(place.path().join("into")).unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    let target = format!("local:{}/", path("into"));
    let ended = wxec([
        "put",
        &path("one"),
        &path("site"),
        &target,
        "--format",
        "json",
    ])
    .run();
    let done = done(&ended);
    assert_eq!(
        (&done["files"], &done["bytes"]),
        (&4.into(), &300_004.into()),
        "{ended:?}"
    );
    assert_eq!(fs::read(place.path().join("into/one")).unwrap(), b"1");
    assert_eq!(
        tree(&place.path().join("into/site")),
        tree(&place.path().join("site"))
    );
    // A missing source does not keep the others from being sent.
    fs::remove_file(place.path().join("into/one")).unwrap();
    let ended = wxec(["put", &path("absent"), &path("one"), &target]).run();
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("1 file sent") && ended.stderr.contains("cannot find"),
        "{ended:?}"
    );
    assert!(place.path().join("into/one").exists());
    let ended = wxec([
        "put",
        &path("one"),
        &path("site"),
        &format!("local:{}", path("into")),
    ])
    .run();
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
}

#[test]
fn what_is_left_out_of_a_tree_is_named_at_the_end() {
    let place = sample();
    let path = |name: &str| place.path().join(name).display().to_string();
    fs::create_dir_all(place.path().join("target/index.html")).unwrap();
    fs::create_dir_all(place.path().join("target/empty")).unwrap();
    let target = format!("local:{}", path("target"));
    let ended = wxec(["put", &path("site"), &target]).run();
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    let lines: Vec<_> = ended.stderr.lines().collect();
    let [summary, error, rest @ ..] = &*lines else {
        panic!("{ended:?}")
    };
    assert!(
        summary.starts_with("local: 1 file sent (293.0 KiB)"),
        "{ended:?}"
    );
    assert_eq!(
        *error,
        "error: local: left out 2 of the tree; the rest is there; `--delete` removes what is in the way, with all that is \
         not in the source"
    );
    let mut rest = rest.to_vec();
    rest.sort_unstable();
    let named = |name: &str| format!("    cannot replace {}: it is a directory", path(name));
    assert_eq!(rest, [named("target/empty"), named("target/index.html")]);
    fs::remove_dir(place.path().join("target/empty")).unwrap();
    let ended = wxec(["-q", "put", &path("site"), &target, "--format", "json"]).run();
    let record: Json = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (ended.exit_code, &record["files"]),
        (Some(1), &1.into()),
        "{ended:?}"
    );
    assert_eq!(record["errors"][0], named("target/index.html").trim());
}

#[test]
fn several_hosts_have_files_of_their_own() {
    let Some(sshd) = Sshd::start() else { return };
    let place = sample();
    let into = |name: &str| place.path().join(name).display().to_string();
    let ended = wxec(["get", "local:,ssh:host:/etc/hostname", &into("same")])
        .hosts(&sshd)
        .run();
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("local would have the same target"),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .contains("write `{host}` where their names should stand"),
        "{ended:?}"
    );
    let ended = wxec([
        "get",
        "local:,ssh:host:/etc/hostname",
        &into("{host}/name"),
        "--parents",
    ])
    .hosts(&sshd)
    .run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    for host in ["local", "host"] {
        assert_eq!(
            fs::read(place.path().join(host).join("name")).unwrap(),
            fs::read("/etc/hostname").unwrap()
        );
    }
    let ended = wxec([
        "put",
        &into("{host}/name"),
        &format!("local:,ssh:host:{}", into("put.{host}")),
    ])
    .hosts(&sshd)
    .run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    assert!(place.path().join("put.local").exists() && place.path().join("put.host").exists());
}

#[test]
fn root_gives_files_to_others() {
    let (true, Some(machine)) = (needs(&["sudo"]), Machine::start()) else {
        return;
    };
    let Some(sshd) = machine.sshd() else { return };
    let place = sample();
    let source = place.path().join("site").display().to_string();
    let ended = wxec(["-q", "put", &source, "ssh:login:~/site", "--owner", "app"])
        .hosts(&sshd)
        .run();
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("/home/login/site") && ended.stderr.contains("permission denied"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("go there by way of `sudo:`"),
        "{ended:?}"
    );
    let arguments = [
        "put",
        &source,
        "ssh:login/sudo:/home/app/site",
        "--owner",
        "app",
        "--group",
        "app",
        "--mode",
        "640",
    ];
    let ended = wxec(arguments).hosts(&sshd).run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    let file = fs::metadata(machine.path("/home/app/site/img/a b.png")).unwrap();
    let home = fs::metadata(machine.path("/home/app")).unwrap();
    assert_eq!(
        (file.uid(), file.gid(), file.mode() & 0o7777),
        (home.uid(), home.gid(), 0o640)
    );
    assert_eq!(
        fs::metadata(machine.path("/home/app/site/img"))
            .unwrap()
            .mode()
            & 0o7777,
        0o750
    );
}

/// A file on its way to a host, of which a good part has arrived. Its sender is stopped.
struct UnderWay {
    sshd: Sshd,
    place: TempDir,
    running: crate::harness::Running,
}

impl UnderWay {
    fn start(more: &[&str]) -> Option<Self> {
        let sshd = Sshd::start()?;
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("large"), noise(LARGE)).unwrap();
        fs::write(sshd.home().join("target"), "old").unwrap();
        let source = place.path().join("large").display().to_string();
        let target = format!("ssh:host:{}", sshd.home().join("target").display());
        let arguments = ["put", &*source, &*target, "--format", "json"];
        let running = wxec(arguments.iter().chain(more)).hosts(&sshd).start();
        let this = Self {
            sshd,
            place,
            running,
        };
        wait_until(SOON, "a part has arrived", || {
            fs::metadata(this.part()).is_ok_and(|part| part.len() > 8 << 20)
        });
        // Otherwise the rest would arrive before a busy machine comes to what the test is about.
        kill_process(this.running.pid(), Signal::STOP).unwrap();
        Some(this)
    }

    /// Lets the sender send the rest, or learn what has happened meanwhile.
    fn goes_on(&self) {
        kill_process(self.running.pid(), Signal::CONT).unwrap();
    }

    fn part(&self) -> PathBuf {
        self.sshd.home().join(".target.wxec-part")
    }

    /// The processes that carry the connections, at the host's end.
    fn connections(&self) -> Vec<Pid> {
        let sshd: Vec<Pid> = processes("sshd")
            .into_iter()
            .map(|process| process.pid)
            .collect();
        let mut below = descendants(self.sshd.pid());
        below.retain(|pid| sshd.contains(pid));
        assert!(!below.is_empty(), "a part has arrived by one");
        below
    }

    #[track_caller]
    fn target_is_old(&self) {
        assert_eq!(fs::read(self.sshd.home().join("target")).unwrap(), b"old");
    }
}

#[test]
fn a_cut_link_is_gone_on_from() {
    let Some(under_way) = UnderWay::start(&[]) else {
        return;
    };
    under_way.connections().into_iter().for_each(kill);
    under_way.target_is_old();
    under_way.goes_on();
    let UnderWay {
        sshd,
        place,
        running,
    } = under_way;
    let ended = running.wait();
    let done = done(&ended);
    assert!(done["resumed_bytes"].as_u64() > Some(8 << 20), "{ended:?}");
    assert_eq!(
        done["sha256"],
        wxec::module::Digest::of(&noise(LARGE)).to_string()
    );
    assert!(
        fs::read(sshd.home().join("target")).unwrap()
            == fs::read(place.path().join("large")).unwrap()
    );
    assert!(
        !names(&sshd.home()).iter().any(|name| name.contains("wxec")),
        "{:?}",
        names(&sshd.home())
    );
}

#[test]
fn a_host_that_stays_away_keeps_the_old_file_and_the_part() {
    let Some(under_way) = UnderWay::start(&[]) else {
        return;
    };
    let connections = under_way.connections();
    kill(under_way.sshd.pid());
    connections.into_iter().for_each(kill);
    under_way.goes_on();
    let UnderWay {
        sshd,
        place,
        running,
    } = under_way;
    let ended = running.wait();
    assert_eq!(ended.exit_code, Some(3), "{ended:?}");
    let part = sshd.home().join(".target.wxec-part");
    assert!(
        ended.stderr.contains("lost during the transfer"),
        "{ended:?}"
    );
    assert!(
        ended
            .stderr
            .contains(&format!("a part was left as {}", part.display())),
        "{ended:?}"
    );
    assert_eq!(fs::read(sshd.home().join("target")).unwrap(), b"old");
    assert!(fs::metadata(&part).unwrap().len() > 8 << 20);
    // The next transfer resumes from that part, even by another way in.
    let source = place.path().join("large").display().to_string();
    let target = format!("local:{}", sshd.home().join("target").display());
    let done = done(&wxec(["put", &source, &target, "--format", "json"]).run());
    assert!(done["resumed_bytes"].as_u64() > Some(8 << 20), "{done}");
    assert!(!part.exists());
}

#[test]
fn a_get_whose_host_stays_away_keeps_the_part() {
    let place = tempfile::tempdir().unwrap();
    let (source, target) = (place.path().join("source"), place.path().join("target"));
    fs::write(&source, noise(LARGE)).unwrap();
    let (away, pid) = (place.path().join("away"), place.path().join("pid"));
    let script = format!(
        "test -e {} && exit 1; echo $$ >{}; exec \"$@\"",
        away.display(),
        pid.display()
    );
    let words = serde_json::to_string(&["sh", "-c", &script, "sh"]).unwrap();
    let host = Host::new(format!("exec:{words}")).unwrap();
    let arrived = AtomicU64::new(0);
    let (goes, agent) = (away.clone(), pid.clone());
    let options = TransferOptions::new().reconnect_within(Duration::from_millis(500));
    let transfer = host
        .get(&source, &target)
        .options(options)
        .on_event(move |event| {
            if let Event::Bytes(bytes) = event
                && arrived.fetch_add(bytes, Ordering::Relaxed) > 8 << 20
                && !goes.exists()
            {
                fs::write(&goes, "").unwrap();
                let pid = fs::read_to_string(&agent)
                    .unwrap()
                    .trim()
                    .parse()
                    .ok()
                    .and_then(Pid::from_raw)
                    .unwrap();
                kill(pid);
            }
        });
    let error = transfer.run().wait().unwrap_err();
    let part = place.path().join(".target.wxec-part");
    assert!(
        error.to_string().contains("lost during the transfer"),
        "{error}"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains(&part.display().to_string())),
        "{error}: {:?}",
        error.hint()
    );
    assert!(fs::metadata(&part).unwrap().len() > 4 << 20);
    fs::remove_file(&away).unwrap();
    let done = host.get(&source, &target).run().wait().unwrap();
    assert!(done.resumed_bytes > 4 << 20, "{done:?}");
    assert!(fs::read(&target).unwrap() == noise(LARGE) && !part.exists());
}

#[test]
fn an_interrupted_transfer_leaves_nothing() {
    let Some(under_way) = UnderWay::start(&[]) else {
        return;
    };
    kill_process(under_way.running.pid(), Signal::INT).unwrap();
    let part = under_way.part();
    under_way.target_is_old();
    under_way.goes_on();
    let UnderWay { sshd, running, .. } = under_way;
    let ended = running.wait();
    assert_eq!(ended.exit_code, Some(130), "{ended:?}");
    wait_until(SOON, "nothing is left", || !part.exists());
    assert_eq!(fs::read(sshd.home().join("target")).unwrap(), b"old");
    assert!(
        !names(&sshd.home()).iter().any(|name| name.contains("wxec")),
        "{:?}",
        names(&sshd.home())
    );

    // The same in the other direction.
    let place = tempfile::tempdir().unwrap();
    fs::write(sshd.home().join("large"), noise(LARGE)).unwrap();
    let source = format!("ssh:host:{}", sshd.home().join("large").display());
    let running = wxec([
        "get",
        &source,
        &place.path().join("target").display().to_string(),
    ])
    .hosts(&sshd)
    .start();
    wait_until(SOON, "a part has arrived", || {
        !names(place.path()).is_empty()
    });
    kill_process(running.pid(), Signal::INT).unwrap();
    assert_eq!(running.wait().exit_code, Some(130));
    assert!(names(place.path()).is_empty(), "{:?}", names(place.path()));
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    if !needs(&["unshare", "mount"]) || !rustix::process::geteuid().is_root() {
        return crate::harness::skip("only root can mount a small file system");
    }
    let script = "mount -t tmpfs -o size=1m small /mnt && echo old >/mnt/target && exec \"$@\"";
    let words = serde_json::to_string(&["unshare", "-m", "sh", "-c", script, "sh"]).unwrap();
    let host = Host::new(format!("exec:{words}")).unwrap();
    let error = host
        .put_bytes(noise(3_000_000), "/mnt/target")
        .run()
        .wait()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot write /mnt/target: no space left there"),
        "{error}"
    );
    assert_eq!(host.get_bytes("/mnt/target").wait().unwrap(), b"old\n");
    host.put_bytes(noise(500_000), "/mnt/target")
        .run()
        .wait()
        .unwrap();
    assert_eq!(
        host.get_bytes("/mnt/target").wait().unwrap(),
        noise(500_000)
    );
}

#[test]
fn bytes_come_and_go_without_files_here() {
    let place = tempfile::tempdir().unwrap();
    let host = Host::new("local:").unwrap();
    let path = place.path().join("motd");
    let options = TransferOptions::new().mode(0o600);
    let done = host
        .put_bytes("hello", &path)
        .options(options)
        .run()
        .wait()
        .unwrap();
    assert_eq!((done.files, done.bytes), (1, 5));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(host.get_bytes(&path).wait().unwrap(), b"hello");
    let error = host
        .get_bytes(place.path().join("absent"))
        .wait()
        .unwrap_err();
    assert!(
        matches!(error.kind, TransferErrorKind::There(failure) if failure.kind == FailureKind::NotFound)
    );
    // The session is unharmed.
    assert_eq!(words::count::on(&host, "to be".into()).wait().unwrap(), 2);
}

#[test]
fn many_small_files_cost_a_few_round_trips() {
    let Some(network) = Network::start([Duration::from_millis(50), Duration::ZERO]) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("many")).unwrap();
    for file in 0..2000 {
        fs::write(
            place.path().join(format!("many/{file}")),
            noise(1000 + file),
        )
        .unwrap();
    }
    let options = ConnectOptions::new().ssh_config(network.sshd().config());
    let host = Host::new("ssh:bastion").unwrap().with_options(&options);
    host.connect().wait().unwrap();
    let before = (Instant::now(), host.stats().round_trips);
    let done = host
        .put(place.path().join("many"), "many")
        .run()
        .wait()
        .unwrap();
    let (took, round_trips) = (before.0.elapsed(), host.stats().round_trips - before.1);
    eprintln!("2000 files over 50 ms each way: {took:?}, {round_trips} round trips");
    assert_eq!(done.files, 2000);
    // The number of turns depends on the machine as well, but never so much that each file costs
    // one.
    assert!(round_trips < 500, "{round_trips}");
    assert_eq!(names(&network.bastion.path("/home/login/many")).len(), 2000);
}

/// Runs a command, and returns the peak memory of its processes: the kernel keeps the peak, so
/// looking now and then is enough.
fn peak_of(cli: Cli) -> (Ended, u64) {
    let running = cli.start();
    let status = |pid: Pid| {
        fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default()
    };
    let (mut peak, mut agents) = (0, Vec::new());
    let since = Instant::now();
    while !status(running.pid()).contains("State:\tZ") {
        assert!(since.elapsed() < FOUR_GIBIBYTES_WITHIN, "it does not end");
        if agents.is_empty() {
            agents = descendants(running.pid());
        }
        for pid in agents.iter().copied().chain([running.pid()]) {
            let status = status(pid);
            let kib = status.lines().find_map(|line| {
                line.strip_prefix("VmHWM:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse()
                    .ok()
            });
            peak = peak.max(kib.unwrap_or(0_u64) * 1024);
        }
        thread::sleep(Duration::from_millis(10));
    }
    (running.wait(), peak)
}

/// Runs a command until its memory was seen: on a busy machine it may be over before a second look.
fn peak_of_a_run<const N: usize>(arguments: [&str; N]) -> (Ended, u64) {
    const TRIES: usize = 10;
    // A program has more than this once it has begun, and less in the moment of its exec.
    const LEAST_BYTES: u64 = 1 << 20;
    (0..TRIES)
        .map(|_| peak_of(wxec(arguments)))
        .find(|(_, peak)| *peak > LEAST_BYTES)
        .expect("one of the runs is seen")
}

#[test]
fn four_gibibytes_need_little_memory_at_either_end() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    let file = File::create(&source).unwrap();
    // A hole except at its ends: the test measures memory, not the disk.
    file.set_len(4 << 30).unwrap();
    file.write_all_at(&noise(8 << 20), 0).unwrap();
    file.write_all_at(&noise(1 << 20), (4 << 30) - (1 << 20))
        .unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    for arguments in [
        [
            "put",
            &path("source"),
            &format!("local:{}", path("put")),
            "--format",
            "json",
        ],
        [
            "get",
            &format!("local:{}", path("source")),
            &path("got"),
            "--format",
            "json",
        ],
    ] {
        let (ended, peak) = peak_of_a_run(arguments);
        let done = done(&ended);
        assert_eq!(done["bytes"], 4_u64 << 30);
        assert!(peak <= MAX_PEAK_BYTES, "{peak}");
        // So many zeros are counted, not hashed.
        assert_eq!(done["sha256"], Json::Null);
    }
    for name in ["put", "got"] {
        let mut end = vec![0; 1 << 20];
        let file = File::open(place.path().join(name)).unwrap();
        file.read_exact_at(&mut end, (4 << 30) - (1 << 20)).unwrap();
        assert!(end == noise(1 << 20));
        assert!(
            file.metadata().unwrap().blocks() * 512 < 64 << 20,
            "holes stay holes"
        );
        let mut start = vec![0; 8 << 20];
        (&file).read_exact(&mut start).unwrap();
        assert!(start == noise(8 << 20));
    }
}

/// The hosts of a fleet keep their connect options.
#[test]
fn a_fleet_transfers_to_all_of_its_hosts() {
    let place = sample();
    let fleet = wxec::Fleet::from_iter([Host::new("local:")
        .unwrap()
        .with_options(&ConnectOptions::new())]);
    let source = place.path().join("site");
    let outcomes = fleet
        .put(&source, place.path().join("to-{host}"))
        .run()
        .unwrap()
        .wait();
    let values = outcomes.into_result().unwrap();
    assert_eq!(
        values
            .iter()
            .map(|(_, done)| done.files)
            .collect::<Vec<_>>(),
        [3]
    );
    assert_eq!(tree(&place.path().join("to-local")), tree(&source));
}
