//! The compiler as its callers see it: bytes in, bytes out, exit codes, one line of complaint.

/// Modules written to take the compiler too long or too much memory.
mod bombs;
/// The command line, and complaints about input that is no module.
mod cli;

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

const HERE: &str = "x86_64-linux";

/// Limits that no test reaches unless it wants to: memory, processor time, time.
const PLENTY: [&str; 3] = ["4294967296", "120", "180"];

fn compile(target: &str, module: &[u8]) -> Output {
    compile_within(target, PLENTY, module)
}

fn compile_within(target: &str, [memory, cpu, wall]: [&str; 3], module: &[u8]) -> Output {
    run(&[target, memory, cpu, wall], module)
}

fn run(arguments: &[&str], module: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wxec-compiler"))
        .args(arguments)
        // The controller starts it like this.
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Ignore a failure: a compiler that was called wrongly does not read.
    let _ = child.stdin.take().unwrap().write_all(module);
    child.wait_with_output().unwrap()
}

fn complaint(output: &Output) -> (i32, &str) {
    assert!(output.stdout.is_empty());
    (
        output.status.code().unwrap(),
        std::str::from_utf8(&output.stderr).unwrap(),
    )
}
