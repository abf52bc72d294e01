//! The compiler as its callers see it: bytes in, bytes out, exit codes, one line of complaint.

use std::{
    env,
    io::Write,
    process::{Command, Output, Stdio},
};

fn compiler(arguments: &[&str], module: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wxec-compiler"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A compiler that was called wrongly does not read.
    let _ = child.stdin.take().unwrap().write_all(module);
    child.wait_with_output().unwrap()
}

fn complaint(output: &Output) -> (i32, &str) {
    assert!(output.stdout.is_empty());
    (output.status.code().unwrap(), std::str::from_utf8(&output.stderr).unwrap())
}

#[test]
fn compiles_for_this_machine_and_for_others() {
    let module = wat::parse_str(r#"(module (func (export "f") (result i32) (i32.const 7)))"#).unwrap();
    for arch in ["x86_64", "aarch64", "riscv64", "s390x"] {
        let output = compiler(&[arch, "linux"], &module);
        assert!(output.status.success(), "{arch}: {output:?}");
        assert!(output.stdout.starts_with(b"\x7fELF") && output.stderr.is_empty(), "{arch}");
    }
}

#[test]
fn complains_in_one_line_about_what_cannot_be_compiled() {
    let invalid = wat::parse_str("(module (func (result i32)))").unwrap();
    for (arch, module) in
        [(env::consts::ARCH, &b"hello"[..]), (env::consts::ARCH, &invalid), ("sparc", b"\0asm\x01\0\0\0")]
    {
        let output = compiler(&[arch, "linux"], module);
        let (code, text) = complaint(&output);
        assert_eq!((code, text.lines().count()), (1, 1), "{text}");
    }
    let hello = compiler(&[env::consts::ARCH, "linux"], b"hello");
    assert_eq!(complaint(&hello), (1, "not a WebAssembly module\n"));
}

#[test]
fn says_how_to_call_it() {
    let usage = (2, "usage: wxec-compiler ARCH OS <MODULE >ARTIFACT\n");
    assert_eq!(complaint(&compiler(&["x86_64"], b"")), usage);
}
