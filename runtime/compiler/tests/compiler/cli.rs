use crate::{HERE, compile, complaint, run};

#[test]
fn compiles_for_this_machine_and_for_others() {
    let module =
        wat::parse_str(r#"(module (func (export "f") (result i32) (i32.const 7)))"#).unwrap();
    for target in [
        "x86_64-linux",
        "x86_64-linux-v3-checked",
        "aarch64-linux",
        "riscv64-linux",
        "s390x-linux-pulley",
    ] {
        let output = compile(target, &module);
        assert!(output.status.success(), "{target}: {output:?}");
        assert!(
            output.stdout.starts_with(b"\x7fELF") && output.stderr.is_empty(),
            "{target}"
        );
    }
}

#[test]
fn complains_in_one_line_about_what_cannot_be_compiled() {
    let invalid = wat::parse_str("(module (func (result i32)))").unwrap();
    let module = b"\0asm\x01\0\0\0";
    for (target, module) in [
        (HERE, &b"hello"[..]),
        (HERE, &invalid),
        ("sparc-linux", module),
        ("aarch64-linux-v3", module),
    ] {
        let output = compile(target, module);
        let (code, text) = complaint(&output);
        assert_eq!((code, text.lines().count()), (1, 1), "{text}");
    }
    assert_eq!(
        complaint(&compile(HERE, b"hello")),
        (1, "not a WebAssembly module\n")
    );
}

#[test]
fn says_how_to_call_it() {
    let usage = (
        2,
        "usage: wxec-compiler TARGET MEMORY CPU WALL <MODULE >ARTIFACT\n",
    );
    assert_eq!(complaint(&run(&["x86_64-linux"], b"")), usage);
    let target = (
        2,
        "a target is ARCH-OS[-v2|-v3|-pulley][-checked][-metered], such as x86_64-linux-v3\n",
    );
    assert_eq!(complaint(&compile("x86_64", b"")), target);
    let number = (
        2,
        "MEMORY, CPU and WALL are numbers of bytes and seconds: invalid digit found in string\n",
    );
    assert_eq!(complaint(&run(&[HERE, "4G", "1", "1"], b"")), number);
}
