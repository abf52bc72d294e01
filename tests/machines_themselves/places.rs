use std::{fs, path::Path};

use super::{output, stdout};
use crate::harness::{Access, Machine, PLACES, SOON, processes, wait_until};

/// Writes a program into `$1`, and runs it.
const TRY: &str =
    r#"f=$1/program; cp "$(readlink -f /bin/true)" "$f" 2>/dev/null || exit 3; "$f" 2>/dev/null"#;

fn attempt(machine: &Machine, place: &str) -> Option<i32> {
    let place = match place {
        "/home" => "/home/login",
        "/run/user" => "/run/user/61001",
        place => place,
    };
    let code = output(&mut machine.command("login", ["sh", "-c", TRY, "sh", place])).0;
    output(&mut machine.command("login", ["rm", "-f", &format!("{place}/program")]));
    code
}

#[test]
fn places_permit_what_they_are_told_to() {
    for (access, code) in [
        (Access::Any, Some(0)),
        (Access::NoExec, Some(126)),
        (Access::ReadOnly, Some(3)),
        (Access::Tiny, Some(3)),
    ] {
        let Some(machine) = Machine::options().place("/tmp", access).start() else {
            return;
        };
        assert_eq!(attempt(&machine, "/tmp"), code, "{access:?}");
        assert_eq!(attempt(&machine, "/dev/shm"), Some(0), "{access:?}");
    }
    for (access, code) in [(Access::NoExec, Some(126)), (Access::ReadOnly, Some(3))] {
        let Some(machine) = Machine::options().places(access).start() else {
            return;
        };
        for place in PLACES {
            assert_eq!(attempt(&machine, place), code, "{place}: {access:?}");
        }
    }
}

#[test]
fn tiny_places_are_soon_full() {
    let Some(machine) = Machine::options().places(Access::Tiny).start() else {
        return;
    };
    for place in [
        "/home/login",
        "/run/user/61001",
        "/dev/shm",
        "/var/tmp",
        "/tmp",
    ] {
        let write = format!("head -c 100000 /dev/zero >{place}/file");
        let (_, _, stderr) = output(&mut machine.command("login", ["sh", "-c", &write]));
        assert!(
            stderr.contains("No space left on device"),
            "{place}: {stderr}"
        );
    }
}

#[test]
fn a_read_only_machine_has_no_place_but_those() {
    let Some(machine) = Machine::options()
        .read_only()
        .place("/tmp", Access::NoExec)
        .start()
    else {
        return;
    };
    for path in ["/file", "/etc/file", "/usr/file"] {
        let (_, _, stderr) = output(&mut machine.command("root", ["touch", path]));
        assert!(stderr.contains("Read-only file system"), "{path}: {stderr}");
    }
    let Some(sshd) = machine.sshd() else { return };
    assert_eq!(
        stdout(&mut sshd.ssh("login", "touch file /tmp/file; ls")),
        "file\n"
    );
    let files: Vec<_> = machine
        .files()
        .into_iter()
        .filter(|path| path.ends_with("file"))
        .collect();
    assert_eq!(
        files,
        [Path::new("/home/login/file"), Path::new("/tmp/file")]
    );
}

#[test]
fn nothing_is_left_of_a_machine() {
    let mounts = || fs::read_to_string("/proc/self/mounts").unwrap();
    let etc = || {
        ["passwd", "shadow", "group"]
            .map(|name| fs::read_to_string(Path::new("/etc").join(name)).unwrap())
    };
    let (mounts_before, etc_before) = (mounts(), etc());
    let Some(machine) = Machine::options().isolated().start() else {
        return;
    };
    let Some(sshd) = machine.sshd() else { return };
    // The sleepers have left their session, and the process that started them.
    let seconds = 2_000_000 + std::process::id();
    let script = format!("for i in 1 2; do setsid sleep {seconds} >/dev/null 2>&1 & done; echo");
    assert_eq!(
        stdout(&mut machine.command("login", ["sh", "-c", &script])),
        "\n"
    );
    let sleepers = || processes(&format!("sleep {seconds}")).len();
    wait_until(SOON, "they run", || sleepers() == 2);
    assert_eq!(machine.processes().len(), 3, "with its sshd");
    let marker = format!("/tmp/file-{seconds}");
    assert_eq!(
        stdout(&mut machine.command("login", ["touch", &marker])),
        ""
    );
    assert!(machine.files().contains(Path::new(&marker)));
    assert!(!Path::new(&marker).exists());
    let files = sshd.home();
    drop((sshd, machine));
    assert_eq!(sleepers(), 0);
    assert!(!files.exists());
    assert_eq!(etc(), etc_before);
    assert!(!mounts().contains("machine "), "{}", mounts());
    assert_eq!(mounts(), mounts_before);
}
