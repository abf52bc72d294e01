//! Tests of the script in a real `sh` on this machine, with no ssh around it and a script of our
//! own as the agent.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::process::{Child, Command};
use wxec_build::{AgentImage, Quiet};
use wxec_protocol::{Digest, Platform};
use wxec_starter::{filter::Code, frames};

use super::*;
use crate::{
    base::runtime::Background,
    error::limited,
    session::{
        pipe::Pipe,
        stderr::StderrTail,
        transport::{ChildGroup, Ending, Reader, Writer},
    },
    ways::{SHELL_COMPLAINTS, classify},
};

const TOKEN: &str = "0123456789abcdef";

/// An agent that repeats its input.
const AGENT: &str = "/bin/cat";

/// Programs the script may use.
const PROGRAMS: [&str; 11] = [
    "sh",
    "uname",
    "id",
    "chmod",
    "rm",
    "dd",
    "sha256sum",
    "mkdir",
    "mv",
    "sleep",
    "readlink",
];

/// The places in the script that belong to the machine.
const PLACES: &str = "/dev/shm /run/user /tmp /var/tmp";

/// A host: the directory for its files, and the programs it has.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(place.home()).unwrap();
        fs::create_dir(place.programs()).unwrap();
        let paths = std::env::var_os("PATH").unwrap();
        for program in PROGRAMS {
            let found = std::env::split_paths(&paths)
                .map(|path| path.join(program))
                .find(|path| path.is_file());
            symlink(
                found.unwrap_or_else(|| panic!("{program} is in PATH")),
                place.programs().join(program),
            )
            .unwrap();
        }
        place
    }

    fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    fn programs(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    /// Replaces a program by a script, or takes it away.
    fn with_program(self, name: &str, script: Option<&str>) -> Self {
        let path = self.programs().join(name);
        fs::remove_file(&path).unwrap();
        if let Some(script) = script {
            // A shell writes it. A file that this process has open for writing cannot be run while
            // a process that another test is just starting has inherited it.
            let write = r#"printf '#!/bin/sh\n%s\n' "$1" >"$0" && chmod 755 "$0""#;
            let written = std::process::Command::new("sh")
                .args(["-c", write])
                .arg(path)
                .arg(script)
                .status();
            assert!(written.unwrap().success());
        }
        self
    }

    /// Has another shell, of this machine, be its `sh`.
    fn with_shell(self, shell: &str) -> Self {
        let path = self.programs().join("sh");
        fs::remove_file(&path).unwrap();
        symlink(shell, path).unwrap();
        self
    }

    /// A file that cannot be made executable stands for a filesystem mounted noexec.
    fn without_execution(self) -> Self {
        self.with_program("chmod", Some("exit 0"))
    }

    /// Returns a login shell that runs `login` first, as login scripts do. The home is the only
    /// usable place; `/proc` is a place that cannot be written.
    fn login_shell(&self, login: &str) -> Command {
        self.shell_keeping("-", login)
    }

    /// Returns the same for a host that may keep `images`.
    fn shell_keeping(&self, images: &str, login: &str) -> Command {
        let line = shell(&Terms {
            token: TOKEN,
            title: "wxec:test",
            images,
        })
        .line;
        let command = line.replace(PLACES, "/proc /nonexistent");
        assert_ne!(command, line, "the script's places are known here");
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(format!("{login} {command}"));
        shell
            .env_clear()
            .env("PATH", self.programs())
            .env("HOME", self.home());
        shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        shell
    }

    #[track_caller]
    fn is_clean(&self) {
        let left: BTreeSet<_> = fs::read_dir(self.home())
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        assert_eq!(left, BTreeSet::new());
    }
}

/// Writes an agent's image to `directory`, plain and compressed.
fn programs(directory: &Path, packed: Option<&[u8]>) -> Programs {
    let (path, compressed) = (directory.join("agent"), directory.join("agent.zst"));
    let program = fs::read(AGENT).unwrap();
    let pack = || {
        let mut filtered = program.clone();
        frames::to_differences(&mut filtered);
        Code::of(std::env::consts::ARCH)
            .unwrap()
            .to_positions(&mut filtered);
        let mut packed = Vec::with_capacity(zstd_safe::compress_bound(filtered.len()));
        zstd_safe::compress(&mut packed, &filtered, 3).unwrap();
        packed
    };
    fs::write(&path, &program).unwrap();
    fs::write(&compressed, packed.map_or_else(pack, Into::into)).unwrap();
    let image = AgentImage {
        digest: Digest::of(&program),
        bytes: program.len() as u64,
        compressed_bytes: fs::metadata(&compressed).unwrap().len(),
        path,
        compressed,
    };
    Programs {
        starter: wxec_build::starter(&Platform::here(), &Quiet)
            .unwrap()
            .into(),
        image: image.into(),
        beginning: Vec::new(),
    }
}

fn transport(mut shell: Child) -> Transport {
    Transport {
        reader: Reader::Pipe(
            Pipe::reader(shell.stdout.take().unwrap().into_owned_fd().unwrap()).unwrap(),
        ),
        writer: Writer::Pipe(
            Pipe::writer(shell.stdin.take().unwrap().into_owned_fd().unwrap()).unwrap(),
        ),
        stderr: StderrTail::collect(shell.stderr.take().unwrap()),
        terminal: None,
        process: Ending::Child(ChildGroup::new(shell)),
        hop: None,
    }
}

/// Runs a whole bootstrap and talks to the agent. Returns the number of bytes of the image that
/// were sent.
async fn start(mut shell: Command, programs: &Programs) -> Result<u64, Unreachable> {
    let mut transport = transport(shell.spawn().unwrap());
    let started = match bootstrapped(&mut transport, programs, true).await {
        Ok(started) => started,
        Err(error) => {
            transport.end(false).await;
            return Err(error);
        }
    };
    let (image_bytes, traffic) = (started.image_bytes, started.traffic);
    assert_eq!(
        (traffic.round_trips, traffic.module_bytes),
        (if image_bytes == 0 { 1 } else { 2 }, 0)
    );
    repeats(&mut transport, started).await;
    Ok(image_bytes)
}

/// Checks that the agent gets every byte from the moment it is up: neither the shell nor the starter
/// may take one of them.
async fn repeats(transport: &mut Transport, started: Started) {
    let words = b"\0\xff'$(reboot)\n";
    transport.writer.write_all(words).await.unwrap();
    let mut said = started.agent_said;
    while said.len() < words.len() {
        assert!(
            transport.reader.read_buf(&mut said).await.unwrap() > 0,
            "{said:?}"
        );
    }
    assert_eq!(said, words);
}

async fn bootstrapped(
    transport: &mut Transport,
    programs: &Programs,
    compress: bool,
) -> Result<Started, Unreachable> {
    let mut bootstrap = Bootstrap::new(transport, TOKEN);
    let mut probe = bootstrap.probe(None).await?;
    assert_eq!(probe.platform.os, "linux");
    bootstrap.start(&mut probe, programs, compress, true).await
}

/// Runs a bootstrap on `place` after `login`, with an intact agent.
fn bootstrap(place: &Place, login: &str) -> Result<u64, Unreachable> {
    bootstrap_with(place, login, programs(place.directory.path(), None))
}

fn bootstrap_with(place: &Place, login: &str, programs: Programs) -> Result<u64, Unreachable> {
    let shell = place.login_shell(login);
    pollster::block_on(Background::new(
        async move { start(shell, &programs).await },
    ))
}

#[test]
fn an_agent_starts_and_leaves_nothing() {
    let place = Place::new();
    let sent = bootstrap(&place, "").unwrap();
    assert_eq!(
        sent,
        fs::metadata(place.directory.path().join("agent.zst"))
            .unwrap()
            .len()
    );
    place.is_clean();
}

#[test]
fn where_compression_does_not_pay_the_image_travels_as_it_is() {
    let place = Place::new();
    let programs = programs(place.directory.path(), None);
    let mut shell = place.login_shell("");
    pollster::block_on(Background::new(async move {
        let mut transport = transport(shell.spawn().unwrap());
        let started = bootstrapped(&mut transport, &programs, false)
            .await
            .unwrap();
        assert_eq!(started.image_bytes, programs.image.bytes);
        repeats(&mut transport, started).await;
    }));
    place.is_clean();
}

#[test]
fn the_starter_and_the_image_travel_at_once() {
    let place = Place::new();
    let programs = programs(place.directory.path(), None);
    let mut shell = place.login_shell("");
    let traffic = pollster::block_on(Background::new(async move {
        let mut transport = transport(shell.spawn().unwrap());
        let started = bootstrapped(&mut transport, &programs, true).await.unwrap();
        let lines = started.traffic.bytes_sent - programs.starter.bytes - started.image_bytes;
        assert!(lines < 120, "{lines} bytes describe them");
        started.traffic
    }));
    assert_eq!(traffic.round_trips, 2);
}

#[test]
fn the_conversation_may_begin_behind_the_image() {
    // A place that proves too small gets everything once more.
    let once = r#"[ -e "$HOME/small" ] || { : >"$HOME/small"; /bin/dd "$@" >/dev/null; exit 1; }; exec /bin/dd "$@""#;
    let small = Place::new().with_program("dd", Some(once));
    for (place, images, round_trips) in [(Place::new(), false, 2), (small, true, 3)] {
        let mut programs = programs(place.directory.path(), None);
        programs.beginning = b"as soon as possible".into();
        let digests =
            [programs.starter.digest, programs.image.digest].map(|digest| digest.to_string());
        let kept = format!("{}={}", std::env::consts::ARCH, digests.join("."));
        let mut shell = place.shell_keeping(if images { &kept } else { "-" }, "");
        pollster::block_on(Background::new(async move {
            let mut transport = transport(shell.spawn().unwrap());
            let started = bootstrapped(&mut transport, &programs, true).await.unwrap();
            assert_eq!(started.traffic.round_trips, round_trips);
            let mut said = started.agent_said;
            while said.len() < programs.beginning.len() {
                assert!(transport.reader.read_buf(&mut said).await.unwrap() > 0);
            }
            assert_eq!(said, programs.beginning);
        }));
    }
}

/// The shells of this machine that may be somebody's `sh`.
fn shells() -> impl Iterator<Item = &'static str> {
    ["/bin/dash", "/bin/bash", "/bin/busybox"]
        .into_iter()
        .filter(|shell| Path::new(shell).exists())
}

/// Those of them that run the programs of a place: busybox has its own.
fn plain_shells() -> impl Iterator<Item = &'static str> {
    shells().filter(|shell| !shell.ends_with("busybox"))
}

#[test]
fn any_shell_starts_an_agent_and_leaves_nothing() {
    for shell in shells() {
        let place = Place::new().with_shell(shell);
        bootstrap(&place, "").unwrap_or_else(|error| panic!("{shell}: {error}"));
        place.is_clean();
    }
    for shell in plain_shells() {
        let place = Place::new().with_shell(shell).without_execution();
        let error = bootstrap(&place, "").unwrap_err();
        assert!(
            error.reason.contains("/home (cannot execute);"),
            "{shell}: {error}"
        );
        place.is_clean();
        let place = Place::new()
            .with_shell(shell)
            .with_program("dd", Some("exit 1"));
        let error = bootstrap(&place, "").unwrap_err();
        assert!(
            error.reason.contains("/home (no room);"),
            "{shell}: {error}"
        );
        place.is_clean();
    }
}

#[test]
fn a_shell_that_is_killed_leaves_no_file() {
    for shell in shells() {
        let place = Place::new().with_shell(shell);
        let mut shell = place.login_shell("");
        shell.process_group(0);
        pollster::block_on(Background::new(async move {
            let mut transport = transport(shell.spawn().unwrap());
            let mut bootstrap = Bootstrap::new(&mut transport, TOKEN);
            let mut probe = bootstrap.probe(None).await.unwrap();
            let answer = bootstrap.answer().await.unwrap();
            assert_eq!(probe.learn_place(&answer), Some(false), "{answer}");
            assert!(probe.directory.ends_with("/home"), "{probe:?}");
            // It waits for the image by now.
            let Ending::Child(group) = &transport.process else {
                panic!("it is a child")
            };
            group.signal(rustix::process::Signal::KILL);
            assert_eq!(
                transport.exit(Duration::from_secs(60)).await,
                Some(StreamEnd::Signalled(9))
            );
        }));
        place.is_clean();
    }
}

#[test]
fn a_shell_that_is_told_to_end_while_it_tries_a_place_leaves_no_file() {
    for shell in plain_shells() {
        for signal in ["HUP", "INT", "QUIT", "PIPE", "TERM"] {
            let place = Place::new()
                .with_shell(shell)
                .with_program("chmod", Some(&format!("kill -s {signal} $PPID")));
            let error = bootstrap(&place, "").unwrap_err();
            // A shell may hear of the signal only after its last place was not good enough.
            let ended = matches!(error.phase, Phase::Shell | Phase::Exec);
            assert!(ended, "{shell} {signal}: {error}");
            place.is_clean();
        }
    }
}

#[test]
fn what_a_killed_shell_left_is_swept_and_what_may_be_in_use_is_not() {
    let (boot, namespace, gone) = (boot(), namespace(), gone());
    for shell in shells() {
        let place = Place::new().with_shell(shell);
        let left = |boot: &str, namespace: &str, pid: u32| {
            let path = place.home().join(left_by(boot, namespace, pid));
            fs::write(&path, "").unwrap();
            path
        };
        let swept = left(&boot, &namespace, gone);
        let kept = [
            left(&boot, &namespace, std::process::id()),
            left("another-boot", &namespace, gone),
            left(&boot, "pid:[1]", gone),
            place.home().join(".wxec-part"),
        ];
        fs::write(&kept[3], "").unwrap();
        bootstrap(&place, "").unwrap_or_else(|error| panic!("{shell}: {error}"));
        assert!(!swept.exists(), "{shell}: its shell is gone");
        kept.iter()
            .for_each(|path| assert!(path.exists(), "{shell}: {path:?}"));
    }
}

fn boot() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    boot.trim().into()
}

fn namespace() -> String {
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
    namespace.to_str().unwrap().into()
}

/// The number of a process that has ended.
fn gone() -> u32 {
    let mut gone = std::process::Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    gone.id()
}

/// The name of a file that a bootstrap has while it runs.
fn left_by(boot: &str, namespace: &str, pid: u32) -> String {
    format!(".wxec-{boot}-{namespace}-{TOKEN}-{pid}")
}

#[test]
fn too_few_open_files_are_said_to_be_that() {
    for shell in shells() {
        for limit in [4, 8, 12, 40] {
            let place = Place::new().with_shell(shell);
            // One that can be raised is no obstacle.
            let raised = bootstrap(&place, &format!("ulimit -S -n {limit};"));
            assert!(limit < 8 || raised.is_ok(), "{shell} {limit}: {raised:?}");
            let error = bootstrap(&place, &format!("ulimit -n {limit};")).unwrap_err();
            let error = limited(error);
            assert_eq!(
                (error.phase, &*error.reason),
                (Phase::Exec, "the host allows too few open files"),
                "{shell} {limit}"
            );
            place.is_clean();
        }
    }
}

#[test]
fn too_few_processes_are_said_to_be_that() {
    for said in [
        "sh: 1: Cannot fork",
        "sh: can't fork: Resource temporarily unavailable",
    ] {
        let place = Place::new().with_program(
            "dd",
            Some(&format!("echo \"{said}\" >/proc/$PPID/fd/2; exit 2")),
        );
        let error = bootstrap(&place, "").unwrap_err();
        assert_eq!(error.reason, "the host allows too few processes");
        assert_eq!(error.stderr_tail, said);
        place.is_clean();
    }
}

#[test]
fn a_login_shell_that_lets_nobody_in_is_said_to_be_that() {
    let place = Place::new();
    let refused = |login: &str, logs_in: bool| {
        let mut shell = place.login_shell(login);
        pollster::block_on(Background::new(async move {
            let mut transport = transport(shell.spawn().unwrap());
            let mut bootstrap = Bootstrap::new(&mut transport, TOKEN).by_login_shell(logs_in);
            classify(
                bootstrap.probe(None).await.unwrap_err(),
                &[SHELL_COMPLAINTS],
            )
        }))
    };
    let nologin = refused(
        "echo This account is currently not available.; exit 1;",
        true,
    );
    let silent = refused("exit 1;", true);
    for refused in [nologin, silent] {
        assert_eq!(
            (refused.phase, refused.hint.as_deref()),
            (Phase::Policy, Some(NO_LOGIN_HINT)),
            "{refused}"
        );
    }
    // A program between may have other reasons, and so has one that says something.
    for refused in [
        refused("exit 1;", false),
        refused("echo closed; exit 1;", true),
        refused("kill -9 $$;", true),
    ] {
        assert_eq!(refused.phase, Phase::Shell, "{refused}");
    }
}

#[test]
fn what_login_scripts_print_is_ignored() {
    let place = Place::new();
    for noise in [
        "echo welcome;",
        "printf 'no end of line';",
        "echo WXEC1:; printf 'WXEC1:0000000000000000:start';",
        "printf 'binary \\0 \\377 and\\r\\n';",
        "dd if=/dev/zero bs=1024 count=200 2>/dev/null;",
        "echo to stderr >&2;",
    ] {
        bootstrap(&place, noise).unwrap_or_else(|error| panic!("{noise} {error}"));
    }
    place.is_clean();
}

#[test]
fn a_login_that_ends_at_once_is_quoted() {
    let error = bootstrap(
        &Place::new(),
        "echo this account is closed; echo really >&2; exit 1;",
    )
    .unwrap_err();
    assert_eq!(error.phase, Phase::Shell);
    assert!(
        error
            .reason
            .contains("closed the connection before the agent was up"),
        "{error}"
    );
    assert!(error.reason.contains("this account is closed"), "{error}");
}

#[test]
fn a_login_that_prints_without_end_is_given_up() {
    let error = bootstrap(&Place::new(), "while echo y; do :; done;").unwrap_err();
    assert_eq!(error.phase, Phase::Shell);
    assert!(error.reason.contains("prints without end"), "{error}");
}

#[test]
fn places_that_will_not_do_are_named_with_the_reason() {
    let place = Place::new().without_execution();
    let error = bootstrap(&place, "").unwrap_err();
    assert_eq!(error.phase, Phase::Exec);
    let home = place.home();
    let expected = format!(
        "no place for the agent: /proc (cannot write); /nonexistent (not there); {} (cannot execute); and \
         no python3 or perl to start it from memory",
        home.display()
    );
    assert_eq!(error.reason, expected);
    assert!(error.hint.is_some());
    place.is_clean();
}

#[test]
fn a_place_without_room_will_not_do() {
    let place = Place::new().with_program("dd", Some("exit 1"));
    let error = bootstrap(&place, "").unwrap_err();
    assert!(error.reason.contains("/home (no room);"), "{error}");
    place.is_clean();
}

#[test]
fn an_interpreter_starts_the_agent_where_nothing_can_be_executed() {
    for interpreter in ["/usr/bin/perl", "/usr/bin/python3"] {
        if !Path::new(interpreter).exists() {
            continue;
        }
        let place = Place::new().without_execution();
        let name = Path::new(interpreter).file_name().unwrap();
        symlink(interpreter, place.programs().join(name)).unwrap();
        let sent = bootstrap(&place, "echo noise;").unwrap();
        assert!(sent > 0);
        place.is_clean();
    }
}

#[test]
fn an_image_that_is_kept_is_sent_once_and_checked_each_time() {
    let place = Place::new();
    let programs = programs(place.directory.path(), None);
    let digests = [programs.starter.digest, programs.image.digest].map(|digest| digest.to_string());
    let images = format!(
        "riscv64=0.0,{}={}",
        std::env::consts::ARCH,
        digests.join(".")
    );
    let bootstrap = || {
        let (shell, programs) = (place.shell_keeping(&images, ""), programs.clone());
        pollster::block_on(Background::new(
            async move { start(shell, &programs).await },
        ))
        .unwrap()
    };
    assert!(bootstrap() > 0);
    let [starter, kept] =
        digests.map(|digest| place.home().join(".cache/wxec/agents").join(digest));
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(bootstrap(), 0, "it was kept");
    // The agent before may still be running from it.
    let change = |path: &Path| {
        fs::remove_file(path).unwrap();
        fs::write(path, "#!/bin/sh\necho evil\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    };
    change(&kept);
    assert!(bootstrap() > 0, "it was changed");
    assert_eq!(bootstrap(), 0, "it is sound again");
    change(&starter);
    assert!(bootstrap() > 0, "its starter was changed");
    // A starter that was killed while it unpacked the image.
    let left = left_by(&boot(), &namespace(), gone());
    fs::write(kept.with_file_name(left), "").unwrap();
    assert_eq!(bootstrap(), 0, "both are sound again");
    let names: BTreeSet<_> = fs::read_dir(kept.parent().unwrap())
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert_eq!(names, BTreeSet::from([starter, kept]));
}

#[test]
fn many_controllers_may_start_agents_at_once() {
    let place = Place::new();
    let programs = programs(place.directory.path(), None);
    let starts: Vec<_> = (0..8)
        .map(|number| {
            let mut shell = place.login_shell("");
            // Each has a token of its own.
            let line = shell
                .as_std()
                .get_args()
                .nth(1)
                .unwrap()
                .to_str()
                .unwrap()
                .replace(TOKEN, &format!("{number:016}"));
            shell = Command::new("/bin/sh");
            shell
                .arg("-c")
                .arg(line)
                .env_clear()
                .env("PATH", place.programs())
                .env("HOME", place.home());
            shell
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true);
            let programs = programs.clone();
            Background::new(async move {
                let mut transport = transport(shell.spawn().unwrap());
                let token = format!("{number:016}");
                let mut bootstrap = Bootstrap::new(&mut transport, &token);
                let mut probe = bootstrap.probe(None).await.unwrap();
                bootstrap
                    .start(&mut probe, &programs, true, false)
                    .await
                    .unwrap()
                    .image_bytes
            })
        })
        .collect();
    for start in starts {
        assert!(pollster::block_on(start) > 0);
    }
    place.is_clean();
}

#[test]
fn an_image_that_arrives_damaged_does_not_run() {
    let place = Place::new();
    let damaged = programs(place.directory.path(), Some(b"this is not zstd"));
    let error = bootstrap_with(&place, "", damaged).unwrap_err();
    assert_eq!(error.phase, Phase::Exec);
    assert_eq!(error.reason, "the agent arrived damaged");
    place.is_clean();
}

#[test]
fn an_image_that_is_another_one_does_not_run() {
    let place = Place::new();
    let mut programs = programs(place.directory.path(), None);
    programs.image = AgentImage {
        digest: Digest::of(b"the right one"),
        ..(*programs.image).clone()
    }
    .into();
    let error = bootstrap_with(&place, "", programs).unwrap_err();
    assert_eq!(
        (error.phase, &*error.reason),
        (Phase::Exec, "the agent arrived damaged")
    );
    place.is_clean();
}

#[test]
fn a_host_that_forbids_the_starter_is_said_to_be_that() {
    let forbid = r#"/bin/dd "$@" && exec /bin/chmod 600 /proc/self/fd/1"#;
    let place = Place::new().with_program("dd", Some(forbid));
    let error = bootstrap(&place, "").unwrap_err();
    assert_eq!(
        (error.phase, &*error.reason),
        (
            Phase::Exec,
            "the host does not execute what starts the agent (exit code 126)"
        )
    );
    assert!(error.stderr_tail.contains("ermission denied"), "{error}");
    place.is_clean();
}

#[test]
fn a_place_that_proves_too_small_leads_to_the_next() {
    // The first file that dd is to write, in the directory for images that are kept, is too large.
    let place = Place::new().with_program(
        "dd",
        Some(r#"[ -e "$HOME/small" ] || { : >"$HOME/small"; /bin/dd "$@" >/dev/null; exit 1; }; exec /bin/dd "$@""#),
    );
    let programs = programs(place.directory.path(), None);
    let digests = [programs.starter.digest, programs.image.digest].map(|digest| digest.to_string());
    let images = format!("{}={}", std::env::consts::ARCH, digests.join("."));
    let mut shell = place.shell_keeping(&images, "");
    pollster::block_on(Background::new(async move {
        let mut transport = transport(shell.spawn().unwrap());
        let mut bootstrap = Bootstrap::new(&mut transport, TOKEN);
        let mut probe = bootstrap.probe(None).await.unwrap();
        let started = bootstrap
            .start(&mut probe, &programs, true, false)
            .await
            .unwrap();
        assert!(probe.directory.ends_with("/home"), "{probe:?}");
        assert!(
            probe.tried[0].ends_with("/wxec/agents (no room)"),
            "{probe:?}"
        );
        assert_eq!(started.traffic.round_trips, 3);
        repeats(&mut transport, started).await;
    }));
}

#[test]
fn a_system_without_an_agent_is_named() {
    let place = Place::new().with_program("uname", Some("echo Plan9 mips"));
    let error = bootstrap(&place, "").unwrap_err();
    assert_eq!(error.phase, Phase::Architecture);
    assert!(
        error.to_string().contains("no agent for Plan9 mips"),
        "{error}"
    );
    place.is_clean();
}

#[test]
fn what_is_sent_survives_any_login_shell() {
    let line = shell(&Terms {
        token: TOKEN,
        title: "wxec:me@here:1",
        images: "-",
    })
    .line;
    let quoted: Vec<_> = line.split('\'').skip(1).step_by(2).collect();
    assert_eq!(
        quoted.len(),
        3,
        "the script, and two ways to start from memory"
    );
    for text in quoted {
        assert_eq!(text.find(['\\', '!', '\n', '\r']), None, "{text}");
    }
    // The longest line that old shells take, and a limit for the cost of reconnecting.
    assert!(line.len() < 4096, "{} bytes", line.len());
}

#[test]
fn probes_are_read() {
    let probe = parse_probe("host|Linux x86_64|new|/tmp| /proc (cannot write); /a;b")
        .unwrap()
        .unwrap();
    assert_eq!(
        probe,
        Probe {
            platform: Platform::new("x86_64", "linux"),
            has_starter: false,
            directory: "/tmp".into(),
            tried: vec!["/proc (cannot write)".into(), "/a".into(), "b".into()],
        }
    );
    assert!(parse_probe("host|Linux x86_64|old|/tmp|").is_none());
    let mut probe = parse_probe("host|Linux x86_64|new||").unwrap().unwrap();
    assert_eq!((&*probe.directory, probe.tried.len()), ("", 0));
    let mut usual = probe.clone();
    usual.settle_place();
    assert_eq!(usual.directory, "/dev/shm");
    assert_eq!(probe.learn_place("next|/tmp|"), None, "none was tried");
    assert_eq!(probe.learn_place("place||"), None, "it has no name");
    assert_eq!(probe.learn_place("place|/tmp| /a (no);"), Some(false));
    assert_eq!(probe.learn_place("place|/tmp| /a (no);"), None, "once");
    assert_eq!(probe.learn_place("next|/b| /a (no);"), None, "none more");
    let next = "next|/b| /a (no); /tmp (no room);";
    assert_eq!(probe.learn_place(next), Some(true));
    assert_eq!(probe.directory, "/b");
    assert_eq!(probe.tried, ["/a (no)", "/tmp (no room)"]);
    let many = format!("next|/c|{}", " /a;".repeat(9));
    assert_eq!(probe.learn_place(&many), None, "more than there are");
    let error = parse_probe("host|Darwin arm64|new|/tmp|")
        .unwrap()
        .unwrap_err();
    assert!(
        error.to_string().contains("no agent for Darwin arm64"),
        "{error}"
    );
    assert!(
        parse_probe("host|Linux ../../etc|new|/tmp|")
            .unwrap()
            .is_err()
    );
}
