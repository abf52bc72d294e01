//! Output that cannot be written is a failure of any command; and once no reader can learn of it,
//! nothing goes on anywhere.

use std::time::Duration;

use crate::harness::{Cli, own_seconds, processes, wait_until};

/// Long enough for a loaded machine.
const SOON: Duration = Duration::from_secs(30);

/// Three hosts, all of them this machine.
const THREE: &str = r#"local:,exec:["env"],exec:["nice"]"#;

/// Commands that print something on stdout.
const COMMANDS: [&[&str]; 18] = [
    &["--help"],
    &["--version"],
    &["help", "exec"],
    &["call", "--help"],
    &["call", "local:", "words::count", "a b"],
    &["call", THREE, "words::count", "a b"],
    &["call", THREE, "words::count", "a b", "--format", "json"],
    &["exec", "local:", "--", "echo", "a"],
    &["exec", THREE, "--", "echo", "a"],
    &["exec", THREE, "--output", "json", "--", "echo", "a"],
    &["exec", THREE, "--output", "grouped", "--", "echo", "a"],
    &["facts", "local:"],
    &["facts", THREE, "--format", "json"],
    &["get", "local:/etc/hostname", "not-here", "--dry-run"],
    &["inspect", "words"],
    &["explain", "ssh:nowhere/sudo:app"],
    &["doctor"],
    &["completions", "bash"],
];

#[test]
fn a_full_disk_and_a_closed_stdout_are_said_by_every_command() {
    for (redirection, reason) in [
        (">/dev/full", &["No space left on device"][..]),
        (">&-", &["stdout is closed", "Bad file descriptor"]),
    ] {
        for command in COMMANDS {
            let command: Vec<_> = ["-q"].iter().chain(command).copied().collect();
            let ended = Cli::in_shell(&format!(r#"exec "$@" {redirection}"#), &command).run();
            assert_eq!(
                ended.exit_code,
                Some(2),
                "{command:?} {redirection}: {ended:?}"
            );
            let [line] = *ended.stderr.lines().collect::<Vec<_>>() else {
                panic!("one line: {command:?}: {ended:?}")
            };
            assert!(
                line.starts_with("error: ") && reason.iter().any(|reason| line.contains(reason)),
                "{line}"
            );
        }
        let ended = Cli::in_shell(
            &format!(r#"exec "$@" {redirection}"#),
            &["rsh", "local:", "echo a"],
        )
        .run();
        assert_eq!(ended.exit_code, Some(255), "as ssh has it: {ended:?}");
        assert!(ended.stderr.starts_with("wxec rsh: "), "{ended:?}");
    }
}

#[test]
fn what_prints_nothing_needs_no_stdout() {
    for target in ["local:", THREE] {
        for redirection in [">&-", ">/dev/full"] {
            let ended = Cli::in_shell(
                &format!(r#"exec "$@" {redirection}"#),
                &["exec", target, "--", "true"],
            )
            .run();
            assert_eq!(
                (ended.exit_code, &*ended.stderr),
                (Some(0), ""),
                "{target} {redirection}"
            );
        }
        // The program's words are lost, and there is no way left to report that.
        let said = ["exec", target, "--sh", "echo lost >&2"];
        assert_eq!(
            Cli::in_shell(r#"exec "$@" 2>/dev/full"#, &said)
                .run()
                .exit_code,
            Some(2),
            "{target}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_told_nothing() {
    // The reader is gone before there is anything to write, so that even short output cannot be
    // written.
    let script = r#"mkfifo "$WXEC_TEST_PIPE"; exec 3<>"$WXEC_TEST_PIPE"; exec 4>"$WXEC_TEST_PIPE" 3<&-; exec "$@" >&4 4>&-"#;
    for command in COMMANDS {
        let directory = tempfile::tempdir().unwrap();
        // Quiet: otherwise the command reports what it builds and waits for.
        let command: Vec<_> = ["-q"].iter().chain(command).copied().collect();
        let cli =
            Cli::in_shell(script, &command).env("WXEC_TEST_PIPE", directory.path().join("pipe"));
        let ended = cli.run();
        assert_eq!(
            (ended.exit_code, &*ended.stderr),
            (Some(141), ""),
            "{command:?}"
        );
    }
}

#[test]
fn nothing_goes_on_anywhere_once_nobody_reads() {
    let marker = own_seconds();
    for target in ["local:", THREE] {
        // Of several hosts some have nothing to print, and would go on for ever.
        let script = format!("if mkdir \"$1\" 2>/dev/null; then yes; else sleep {marker}; fi");
        let directory = tempfile::tempdir().unwrap();
        let first = directory.path().join("first");
        let command = [
            "exec",
            target,
            "--sh",
            &script,
            "--",
            first.to_str().unwrap(),
        ];
        let ended =
            Cli::in_shell(r#"{ "$@"; echo "ended with $?" >&2; } | head -1"#, &command).run();
        assert_eq!(&*ended.stderr, "ended with 141\n", "{target}");
        assert!(ended.stdout.ends_with("y\n"), "{ended:?}");
        wait_until(SOON, "nothing is left", || {
            processes(&format!("sleep {marker}")).is_empty()
        });
    }
}

#[test]
fn a_program_whose_output_cannot_be_written_is_ended() {
    let marker = own_seconds();
    let script = format!("echo a; sleep {marker}");
    for target in ["local:", THREE] {
        let ended = Cli::in_shell(
            r#"exec "$@" >/dev/full"#,
            &["exec", target, "--sh", &script],
        )
        .run();
        assert_eq!(ended.exit_code, Some(2), "{target}: {ended:?}");
        wait_until(SOON, "nothing is left", || {
            processes(&format!("sleep {marker}")).is_empty()
        });
    }
}
