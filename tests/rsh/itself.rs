use std::{
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::ffi::OsStrExt,
    process::{Command, Stdio},
};

use rustix::process::{Signal, kill_process};

use super::tools::{Place, WAYS, ends, works};
use crate::harness::{Engine, Machine, PASSWORD, Pid, SOON, Shell, WITH_SHELL, needs, wait_until};

/// Runs a command with `input`, and returns its exit code and its output.
#[track_caller]
fn told(mut command: Command, input: &[u8]) -> (Option<i32>, Vec<u8>) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || _ = stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    (output.status.code(), output.stdout)
}

#[test]
fn a_command_is_a_line_for_the_login_shell() {
    let Some(place) = Place::with("ssh") else {
        return;
    };
    for (plain, brackets, home) in WAYS {
        let user = home.trim_start_matches("/home/");
        let line = "echo $HOME $PWD $USER $LOGNAME $SHELL; echo two   words";
        let expected = format!("{home} {home} {user} {user} /bin/sh\ntwo words\n");
        assert_eq!(works(place.rsh([plain, line])), expected);
        assert_eq!(
            works(place.rsh([brackets, "echo", "$HOME", "'a  b'"])),
            format!("{home} a  b\n")
        );
        assert_eq!(
            ends(place.rsh([plain, "echo out; echo err >&2; exit 7"]), 7),
            ("out\n".into(), "err\n".into())
        );
        let (_, stderr) = ends(place.rsh([plain, "kill -9 $$"]), 255);
        assert!(stderr.lines().count() <= 1, "{stderr}");
    }
}

#[test]
fn shells_of_all_sorts_take_it() {
    if !needs(&["rsync"]) {
        return;
    }
    for shell in Shell::ALL {
        if !needs(&[shell.program()]) {
            continue;
        }
        let Some(place) = Machine::options().shell(shell).start().and_then(Place::of) else {
            return;
        };
        fs::write(place.path("a b"), "text").unwrap();
        works(place.tool("rsync", ["a b", "ssh:login/sudo:app:c's d"]));
        assert_eq!(
            fs::read_to_string(place.there("/home/app", "c's d")).unwrap(),
            "text",
            "{shell:?}"
        );
    }
}

#[test]
fn accounts_that_nobody_logs_in_to_have_a_shell_all_the_same() {
    let Some(place) = Place::with("ssh") else {
        return;
    };
    let passwd = fs::read_to_string(place.machine.path("/etc/passwd")).unwrap();
    let changed = passwd.replace("/home/app:/bin/sh", "/home/app:/usr/sbin/nologin");
    assert_ne!(passwd, changed);
    fs::write(place.machine.path("/etc/passwd"), changed).unwrap();
    assert_eq!(
        works(place.rsh(["ssh:login/sudo:app", "echo $USER $SHELL"])),
        "app /bin/sh\n"
    );
}

#[test]
fn input_and_output_are_whatever_bytes_they_are() {
    let Some(place) = Place::with("ssh") else {
        return;
    };
    let input = super::noise(5 << 20, 5);
    for (plain, _, _) in WAYS {
        let (code, output) = told(place.rsh([plain, "cat; exit 3"]), &input);
        assert!(
            code == Some(3) && output == input,
            "{code:?}, {} bytes",
            output.len()
        );
        let (code, output) = told(place.rsh(["-n", plain, "cat"]), &input);
        assert_eq!((code, output.len()), (Some(0), 0));
        // A shell without a command reads its commands from stdin.
        let (code, output) = told(
            place.rsh(["-q", plain]),
            b"echo $PWD | tr a-z A-Z\nexit 4\n",
        );
        assert_eq!(code, Some(4));
        assert!(
            String::from_utf8_lossy(&output).contains("/HOME/"),
            "{output:?}"
        );
    }
}

#[test]
fn who_wants_a_terminal_gets_one() {
    let Some(place) = Place::with("ssh") else {
        return;
    };
    for (plain, _, _) in WAYS {
        let line = "test -t 0 && test -t 1 && test -t 2 && echo $TERM; exit 6";
        let mut forced = place.rsh(["-tt", plain, line]);
        forced.env("TERM", "vt100");
        assert_eq!(ends(forced, 6), ("vt100\r\n".into(), String::new()));
        // This side has no terminal.
        assert_eq!(ends(place.rsh(["-t", plain, line]), 6).0, "");
    }
}

#[test]
fn options_do_what_they_do_for_ssh() {
    let Some(place) = Place::with("ssh") else {
        return;
    };
    let config = place.sshd.config();
    let mut without = Command::new(place.link());
    without.args([
        "-F",
        config.to_str().unwrap(),
        "-oSetEnv=A=b c",
        "-o",
        "SendEnv=LC_TIME",
    ]);
    without
        .args(["-l", "app", "-x", "-a", "login", "echo $USER $A $LC_TIME"])
        .env("LC_TIME", "C")
        .stdin(Stdio::null());
    assert_eq!(works(without), "app b c C\n");
    assert_eq!(
        works(place.rsh(["app@[login]", "echo $USER"])),
        "app\n",
        "before brackets as well"
    );
    let mut sends = place.rsh(["-oSendEnv=LC_*", "login", "printf %s \"$LC_TIME\""]);
    sends.env("LC_TIME", OsStr::from_bytes(b"\xff"));
    assert_eq!(told(sends, b""), (Some(0), b"\xff".to_vec()), "as they are");

    let (stdout, _) = ends(place.rsh(["-G", "-p", "22", "joe@web1"]), 0);
    assert_eq!(stdout, "host joe@web1\naddress ssh:joe@web1:22\n");
    let (_, stderr) = ends(place.rsh(["-V"]), 0);
    assert!(stderr.starts_with("wxec rsh "), "{stderr}");
    for (line, complaint) in [
        (
            &["-N", "login"][..],
            "wxec rsh: `-N` asks to forward, which wxec rsh does not do: use ssh itself for it\n",
        ),
        (&["-Z"], "wxec rsh: `-Z` is no option of ssh\n"),
        (
            &["--no-such-option", "login"],
            "wxec rsh: unexpected argument '--no-such-option' found\n",
        ),
        (
            &["-s", "login", "netconf"],
            "wxec rsh: there is no subsystem `netconf`; wxec knows `sftp`\n",
        ),
    ] {
        assert_eq!(
            ends(place.rsh(line), 255),
            (String::new(), complaint.to_owned())
        );
    }
    let (_, stderr) = ends(
        place.rsh(["-oUserKnownHostsFile=/dev/null", "login", "true"]),
        255,
    );
    assert!(
        stderr.contains("unreachable (checking its host key)"),
        "{stderr}"
    );
    let help = works(place.rsh(["--help"]));
    assert!(
        help.contains("rsync -a -e \"wxec rsh\" src/ ssh:bastion/sudo:app:dst/"),
        "{help}"
    );
}

#[test]
fn passwords_come_from_where_other_commands_take_them() {
    let Some(place) = Place::with("rsync") else {
        return;
    };
    fs::write(place.path("password"), PASSWORD).unwrap();
    fs::write(place.path("a"), "text").unwrap();
    let option = format!("--become-pass-file={}", place.path("password").display());
    let mut rsync = place.tool("rsync", ["a", "ssh:asked/sudo:app:b"]);
    rsync.env("RSYNC_RSH", format!("{} {option}", place.link().display()));
    works(rsync);
    assert_eq!(
        fs::read_to_string(place.there("/home/app", "b")).unwrap(),
        "text"
    );
    let mut whoami = place.rsh(["ssh:asked/sudo:app", "id -un"]);
    whoami.env("WXEC_RSH_OPTIONS", option);
    assert_eq!(works(whoami), "app\n");
}

#[test]
fn ctrl_c_ends_what_runs_there() {
    let Some(place) = Place::with("ssh") else {
        return;
    };
    for (plain, _, home) in WAYS {
        let command = "trap '' HUP; echo > begun; sleep 1000; sleep 1000";
        let mut running = place
            .rsh([plain, command])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until(SOON, "it runs", || place.there(home, "begun").exists());
        kill_process(Pid::from_child(&running), Signal::INT).unwrap();
        assert_eq!(running.wait().unwrap().code(), Some(130));
        wait_until(SOON, "nothing is left", || place.is_quiet());
    }
}

#[test]
fn containers_have_no_sshd_and_need_none() {
    let Some(engine) = Engine::docker() else {
        return;
    };
    let Some(place) = Place::with("ssh") else {
        return;
    };
    let container = engine.container(WITH_SHELL, &[]);
    let rsh = |arguments: &[&str]| {
        let mut rsh = place.rsh(arguments);
        rsh.envs(engine.environment());
        rsh
    };
    let address = format!("docker:{}", container.name());
    let (code, _) = told(rsh(&[&address, "cat >/tmp/file; exit 5"]), b"bytes");
    assert_eq!(code, Some(5));
    assert_eq!(
        works(rsh(&[&format!("[{address}]"), "cat", "/tmp/file"])),
        "bytes"
    );
    let (_, stderr) = ends(rsh(&["-s", &address, "sftp"]), 255);
    assert!(
        stderr.starts_with("wxec rsh: there is no sftp-server on the host"),
        "{stderr}"
    );
}
