use super::{output, output_of, stdout};
use crate::harness::{Machine, NOISE, OTHER_PASSWORD, PASSWORD, PERMIT, Shell, needs};

/// The password, then the input of the program itself.
fn typed(password: &str) -> String {
    format!("{password}\nthe rest")
}

#[test]
fn sudo_asks_some_and_refuses_others() {
    if !needs(&["sudo"]) {
        return;
    }
    let Some(machine) = Machine::start() else {
        return;
    };
    assert_eq!(
        stdout(&mut machine.command("login", ["sudo", "-n", "-u", "app", "id", "-un"])),
        "app\n"
    );
    assert_eq!(
        stdout(&mut machine.command("login", ["sudo", "-n", "id", "-un"])),
        "root\n"
    );

    let (code, _, stderr) = output(&mut machine.command("asked", ["sudo", "-n", "id"]));
    assert_eq!(
        (code, &*stderr),
        (Some(1), "sudo: a password is required\n")
    );
    let sudo = ["sudo", "-S", "-p", "TOKEN", "sh", "-c", "id -un; cat"];
    let (code, stdout, stderr) = output_of(&mut machine.command("asked", sudo), &typed(PASSWORD));
    assert_eq!((code, &*stdout), (Some(0), "root\nthe rest"), "{stderr}");
    assert!(stderr.ends_with("TOKEN"), "{stderr}");
    // sudo remembers for a while that the user knew the password.
    assert_eq!(
        machine
            .command("asked", ["sudo", "-k"])
            .status()
            .unwrap()
            .code(),
        Some(0)
    );
    let (code, _, stderr) = output_of(&mut machine.command("asked", sudo), &typed("wrong"));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("incorrect password attempt"), "{stderr}");

    let (code, _, stderr) = output_of(&mut machine.command("stranger", sudo), &typed(PASSWORD));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("stranger is not in the sudoers file"),
        "{stderr}"
    );
}

#[test]
fn su_wants_the_other_password() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let su = ["su", "app", "-c", "id -un"];
    let (code, stdout, stderr) =
        output_of(&mut machine.command("login", su), &typed(OTHER_PASSWORD));
    assert_eq!((code, &*stdout, &*stderr), (Some(0), "app\n", "Password: "));
    let (code, _, stderr) = output_of(&mut machine.command("login", su), &typed(PASSWORD));
    assert_eq!(
        (code, &*stderr),
        (Some(1), "Password: su: Authentication failure\n")
    );
    assert_eq!(super::stdout(&mut machine.command("root", su)), "app\n");

    let Some(open) = Machine::options().file("/etc/pam.d/su", PERMIT).start() else {
        return;
    };
    assert_eq!(super::stdout(&mut open.command("stranger", su)), "app\n");
}

#[test]
fn doas_lets_some_and_refuses_others() {
    if !needs(&["doas"]) {
        return;
    }
    let Some(machine) = Machine::start() else {
        return;
    };
    assert_eq!(
        stdout(&mut machine.command("login", ["doas", "-n", "-u", "app", "id", "-un"])),
        "app\n"
    );
    let (code, _, stderr) = output(&mut machine.command("asked", ["doas", "-n", "id"]));
    assert_eq!(
        (code, &*stderr),
        (Some(1), "doas: Authentication required\n")
    );
    let (code, _, stderr) = output(&mut machine.command("stranger", ["doas", "-n", "id"]));
    assert_eq!(
        (code, &*stderr),
        (Some(1), "doas: Operation not permitted\n")
    );
}

#[test]
fn sudo_may_ask_in_chinese_and_in_its_own_words() {
    if !needs(&["sudo"]) {
        return;
    }
    let options = Machine::options().chinese().sudoers("Defaults pwfeedback");
    let Some(machine) = options.start() else {
        return;
    };
    let ask = |machine: &Machine, arguments: &[&str]| {
        let sudo = ["sudo", "-S"].iter().chain(arguments).chain(&["id", "-un"]);
        let (code, stdout, stderr) =
            output_of(&mut machine.command("asked", sudo), &typed(PASSWORD));
        assert_eq!((code, &*stdout), (Some(0), "root\n"), "{stderr}");
        stderr
    };
    let prompt = ask(&machine, &[]);
    assert!(prompt.ends_with("[sudo] asked 的密码："), "{prompt}");
    let prompt = ask(&machine, &["-k", "-p", "TOKEN"]);
    assert!(prompt.ends_with("TOKEN"), "{prompt}");
    let (_, _, stderr) = output(&mut machine.command("asked", ["sudo", "-k", "-n", "id"]));
    assert_eq!(stderr, "sudo: 需要密码\n");
    let (_, _, stderr) = output_of(
        &mut machine.command("login", ["su", "app", "-c", "id"]),
        &typed(PASSWORD),
    );
    assert!(stderr.starts_with("密码："), "{stderr}");

    let options = Machine::options()
        .sudoers("Defaults passprompt=\"%p, say the word: \", passprompt_override");
    let Some(machine) = options.start() else {
        return;
    };
    let prompt = ask(&machine, &[]);
    assert!(prompt.ends_with("asked, say the word: "), "{prompt}");
}

#[test]
fn people_log_in_with_their_shells() {
    let programs: Vec<_> = Shell::ALL.iter().map(|shell| shell.program()).collect();
    if !needs(&programs) {
        return;
    }
    for shell in Shell::ALL {
        let Some(machine) = Machine::options().shell(shell).start() else {
            return;
        };
        let Some(sshd) = machine.sshd() else { return };
        assert_eq!(
            stdout(&mut sshd.ssh("login", "echo one 'two  three'; pwd")),
            "one two  three\n/home/login\n"
        );
        // Another command follows, so the shell does not replace itself with the first one.
        let process = if shell == Shell::Fish {
            "$fish_pid"
        } else {
            "$$"
        };
        let program = stdout(&mut sshd.ssh("app", &format!("readlink /proc/{process}/exe; true")));
        assert!(program.contains(shell.program()), "{shell:?}: {program}");
    }
}

#[test]
fn noisy_shells_say_much_before_they_obey() {
    let programs: Vec<_> = Shell::ALL.iter().map(|shell| shell.program()).collect();
    if !needs(&programs) {
        return;
    }
    for shell in Shell::ALL {
        let Some(machine) = Machine::options().shell(shell).noisy().start() else {
            return;
        };
        let Some(sshd) = machine.sshd() else { return };
        let said = stdout(&mut sshd.ssh("login", "echo here"));
        // dash and busybox read a profile only when they are login shells.
        let is_read = !matches!(shell, Shell::Dash | Shell::Busybox);
        assert_eq!(
            said.len(),
            "here\n".len() + if is_read { NOISE } else { 0 },
            "{shell:?}"
        );
        assert!(said.ends_with("here\n"), "{shell:?}");
        let said = stdout(&mut machine.command("root", ["su", "-", "app", "-c", "echo here"]));
        assert_eq!(said.len(), NOISE + "here\n".len(), "{shell:?}");
    }
}

#[test]
fn sudo_works_over_ssh() {
    if !needs(&["sudo"]) {
        return;
    }
    let Some(machine) = Machine::start() else {
        return;
    };
    let Some(sshd) = machine.sshd() else { return };
    assert_eq!(
        stdout(&mut sshd.ssh("login", "sudo -n -u app id -un")),
        "app\n",
        "{}",
        sshd.log()
    );
    assert_eq!(
        sshd.ssh("stranger", "sudo -n id")
            .output()
            .unwrap()
            .status
            .code(),
        Some(1)
    );
}
