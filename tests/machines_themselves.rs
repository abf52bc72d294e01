//! The machines of the harness, used with plain tools: they keep the promises that the tests of
//! wxec rely on, and leave nothing behind.

use std::process::{Command, Output};

/// Accounts: sudo, su and doas, and login shells.
mod accounts;

/// Containers, and the engines that run them.
mod engines;

/// Machines behind others, and far away.
mod networks;

/// Places where files may be written and executed.
mod places;

/// Exit code, stdout and stderr.
fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    (
        status.code(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

/// Returns what a command prints; fails if it complains.
#[track_caller]
fn stdout(command: &mut Command) -> String {
    let (code, stdout, stderr) = output(command);
    assert_eq!((code, &*stderr), (Some(0), ""), "{command:?}: {stdout}");
    stdout
}

/// Like [`output`], with something on its stdin.
fn output_of(command: &mut Command, input: &str) -> (Option<i32>, String, String) {
    use std::io::{Seek, Write};

    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input.as_bytes()).unwrap();
    file.rewind().unwrap();
    output(command.stdin(file))
}
