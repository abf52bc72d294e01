//! The compiler as its callers see it: bytes in, bytes out, exit codes, one line of complaint.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

const HERE: &str = "x86_64-linux";

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
    for target in ["x86_64-linux", "x86_64-linux-v3-checked", "aarch64-linux", "riscv64-linux", "s390x-linux-pulley"] {
        let output = compiler(&[target], &module);
        assert!(output.status.success(), "{target}: {output:?}");
        assert!(output.stdout.starts_with(b"\x7fELF") && output.stderr.is_empty(), "{target}");
    }
}

#[test]
fn complains_in_one_line_about_what_cannot_be_compiled() {
    let invalid = wat::parse_str("(module (func (result i32)))").unwrap();
    let module = b"\0asm\x01\0\0\0";
    for (target, module) in
        [(HERE, &b"hello"[..]), (HERE, &invalid), ("sparc-linux", module), ("aarch64-linux-v3", module)]
    {
        let output = compiler(&[target], module);
        let (code, text) = complaint(&output);
        assert_eq!((code, text.lines().count()), (1, 1), "{text}");
    }
    let hello = compiler(&[HERE], b"hello");
    assert_eq!(complaint(&hello), (1, "not a WebAssembly module\n"));
}

#[test]
fn says_how_to_call_it() {
    let usage = (2, "usage: wxec-compiler TARGET <MODULE >ARTIFACT\n");
    assert_eq!(complaint(&compiler(&["x86_64", "linux"], b"")), usage);
    let (code, text) = (2, "a target is ARCH-OS[-v2|-v3|-pulley][-checked], such as x86_64-linux-v3\n");
    assert_eq!(complaint(&compiler(&["x86_64"], b"")), (code, text));
}
