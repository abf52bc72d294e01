//! Ways to other accounts on real machines with real sudo, su and doas, and their real questions.

use crate::harness::{
    Cli, Ended, Machine, OTHER_PASSWORD, PASSWORD, SOON, Shell, needs, wait_until,
};

/// A variable that holds a password.
const VARIABLE: &str = "TEST_BECOME_PASSWORD";

/// The address of `user` on `machine`, followed by `rest`.
fn address(machine: &Machine, user: &str, rest: &str) -> String {
    format!(
        "exec:{}/{rest}",
        serde_json::to_string(&machine.enter(user)).unwrap()
    )
}

fn count(address: &str) -> Cli {
    Cli::new(["-q", "call", address, "words::count", "to be or", "--stats"])
}

fn count_with(address: &str, password: &str) -> Cli {
    let arguments = [
        "-q",
        "call",
        address,
        "words::count",
        "to be or",
        "--become-pass-env",
        VARIABLE,
    ];
    Cli::new(arguments).env(VARIABLE, password)
}

/// Asserts that neither output of the command contains `secret`.
#[track_caller]
fn says_nothing_of(ended: &Ended, secret: &str) {
    assert!(
        !ended.stderr.contains(secret) && !ended.stdout.contains(secret),
        "{ended:?}"
    );
}

#[test]
fn sudo_without_a_password() {
    let (true, Some(machine)) = (needs(&["sudo"]), Machine::start()) else {
        return;
    };
    let before = machine.files();
    for hop in ["sudo:app", "sudo:"] {
        count(&address(&machine, "login", hop)).run().is("3");
    }
    assert_eq!(machine.files(), before, "files are left");
    wait_until(SOON, "no process is left", || {
        machine.processes().is_empty()
    });
}

#[test]
fn accounts_without_a_login_shell_are_all_said_to_be_that() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let Some(sshd) = machine.sshd() else { return };
    let file = machine.path("/etc/passwd");
    let passwd = std::fs::read_to_string(&file).unwrap();
    let said: Vec<_> = ["/usr/sbin/nologin", "/bin/false", "/bin/true"]
        .into_iter()
        .map(|shell| {
            let changed = passwd.replace("/home/login:/bin/sh", &format!("/home/login:{shell}"));
            assert_ne!(passwd, changed);
            std::fs::write(&file, changed).unwrap();
            let ended = Cli::new(["-q", "call", "ssh:login", "words::count", "a"])
                .hosts(&sshd)
                .run();
            assert!(
                ended.stderr.contains("unreachable (being let in): "),
                "{shell}: {ended:?}"
            );
            let hint = ended
                .stderr
                .split_once("; the account has no shell to log in with")
                .map(|(_, hint)| hint.to_owned());
            (
                ended.exit_code,
                hint.unwrap_or_else(|| panic!("{shell}: {ended:?}")),
            )
        })
        .collect();
    assert!(
        said[0].0 == Some(4) && said.iter().all(|other| *other == said[0]),
        "{said:?}"
    );
}

#[test]
fn sudo_over_ssh() {
    let (true, Some(machine)) = (needs(&["sudo"]), Machine::start()) else {
        return;
    };
    let Some(sshd) = machine.sshd() else { return };
    let ended = count("ssh:login/sudo:app").hosts(&sshd).run();
    ended.is("3");
    // The first agent puts in its own image, and the artifact it was told to keep.
    let stats = ended.stats();
    assert_eq!(
        (
            stats["agent_bytes"].as_u64(),
            stats["module_bytes"].as_u64()
        ),
        (Some(0), Some(0)),
        "{stats}"
    );
    assert!(stats["hop_bytes"].as_u64() > Some(1_000_000), "{stats}");
}

#[test]
fn sudo_asks_and_is_told_once() {
    let (true, Some(machine)) = (needs(&["sudo"]), Machine::start()) else {
        return;
    };
    let address = address(&machine, "asked", "sudo:app");
    let ended = count(&address).run();
    let line = ended.unreachable();
    assert!(
        line.contains("unreachable (changing the account): sudo: a password is required"),
        "{line}"
    );
    assert!(line.contains("--ask-become-pass"), "{line}");

    let ended = count_with(&address, "wrong horse").run();
    assert!(
        ended
            .unreachable()
            .contains("unreachable (changing the account): the password is wrong"),
        "{ended:?}"
    );
    says_nothing_of(&ended, "wrong horse");

    count_with(&address, PASSWORD).run().is("3");
}

#[test]
fn sudo_may_ask_as_it_likes() {
    if !needs(&["sudo"]) {
        return;
    }
    for options in [
        Machine::options().sudoers("Defaults pwfeedback\n"),
        Machine::options().sudoers("Defaults passprompt=\"Kennwort bitte:\"\n"),
        Machine::options().sudoers("Defaults lecture=always\n"),
        Machine::options()
            .chinese()
            .sudoers("Defaults pwfeedback\n"),
        Machine::options().shell(Shell::Fish).noisy(),
    ] {
        let Some(machine) = options.start() else {
            return;
        };
        count_with(&address(&machine, "asked", "sudo:app"), PASSWORD)
            .run()
            .is("3");
    }
}

#[test]
fn sudo_does_not_let_everybody() {
    let (true, Some(machine)) = (needs(&["sudo"]), Machine::start()) else {
        return;
    };
    for (user, hop, says) in [
        (
            "stranger",
            "sudo:app",
            "stranger is not in the sudoers file",
        ),
        ("login", "sudo:nobody-of-this-name", "unknown user"),
    ] {
        let ended = count_with(&address(&machine, user, hop), PASSWORD).run();
        let line = ended.unreachable();
        assert!(
            line.contains("unreachable (changing the account)") && line.contains(says),
            "{line}"
        );
    }
}

#[test]
fn su_wants_the_other_accounts_password() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let address = address(&machine, "login", "su:app");
    count_with(&address, OTHER_PASSWORD).run().is("3");
    let ended = count_with(&address, "wrong horse").run();
    assert!(
        ended
            .unreachable()
            .contains("unreachable (changing the account)"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("Authentication failure"), "{ended:?}");
    says_nothing_of(&ended, "wrong horse");
    let ended = count(&address).run();
    assert!(
        ended
            .unreachable()
            .contains("unreachable (changing the account)"),
        "{ended:?}"
    );
}

#[test]
fn root_needs_no_password_to_be_somebody_else() {
    let (true, Some(machine)) = (needs(&["sudo"]), Machine::start()) else {
        return;
    };
    count(&address(&machine, "login", "sudo:/su:app"))
        .run()
        .is("3");
}

#[test]
fn doas_with_and_without_a_password() {
    let (true, Some(machine)) = (needs(&["doas"]), Machine::start()) else {
        return;
    };
    count(&address(&machine, "login", "doas:app")).run().is("3");

    let asked = address(&machine, "asked", "doas:app");
    let ended = count(&asked).run();
    assert!(
        ended
            .unreachable()
            .contains("unreachable (changing the account)"),
        "{ended:?}"
    );
    // doas asks on a terminal, and is given one.
    count_with(&asked, PASSWORD).run().is("3");
    let ended = count_with(&asked, "wrong horse").run();
    assert!(
        ended
            .unreachable()
            .contains("unreachable (changing the account)"),
        "{ended:?}"
    );
    says_nothing_of(&ended, "wrong horse");

    let ended = count_with(&address(&machine, "stranger", "doas:app"), PASSWORD).run();
    assert!(
        ended.unreachable().contains("Operation not permitted"),
        "{ended:?}"
    );
}

#[test]
fn a_password_comes_from_a_file_too() {
    let (true, Some(machine)) = (needs(&["sudo"]), Machine::start()) else {
        return;
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{PASSWORD}\nmore\n")).unwrap();
    let address = address(&machine, "asked", "sudo:app");
    let file = file.path().to_str().unwrap();
    Cli::new([
        "-q",
        "call",
        &address,
        "words::count",
        "a b",
        "--become-pass-file",
        file,
    ])
    .run()
    .is("2");
}

#[test]
fn who_works_there_is_told_by_the_list_of_processes() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let address = address(&machine, "login", "exec:[\"env\"]");
    for (mask, titles) in [(None, "wxec:tester@"), (Some("--mask-name"), "wxec")] {
        let arguments = ["-q", "call", &address, "faulty::spin", "--timeout", "5m"];
        let running = Cli::new(arguments.into_iter().chain(mask))
            .env("USER", "tester")
            .start();
        let pid = running.pid().as_raw_nonzero();
        let expected = titles;
        wait_until(SOON, "an agent of that name is there", || {
            machine.processes().iter().any(|process| {
                let path = format!("/proc/{}/cmdline", process.as_raw_nonzero());
                let line = std::fs::read(path).unwrap_or_default();
                let line = String::from_utf8_lossy(&line);
                let name = line.trim_end_matches('\0');
                match mask {
                    Some(_) => name == expected,
                    None => name.starts_with(expected) && name.ends_with(&format!(":{pid}")),
                }
            })
        });
        drop(running);
        wait_until(SOON, "no agent is left", || machine.processes().is_empty());
    }
}
