//! The contents of what we ship: the crates of each program, and the agent that travels.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use wxec::build::{BuildError, Quiet};
use wxec_protocol::Platform;

use crate::harness::skip;

/// Lists all crates that cargo builds for `arguments`.
fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "tree",
            "--offline",
            "--locked",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(arguments);
    let output = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names = String::from_utf8(output.stdout).unwrap();
    names
        .lines()
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .collect()
}

#[track_caller]
fn has_none(tree: &BTreeSet<String>, unwanted: &[&str]) {
    let found: Vec<_> = tree
        .iter()
        .filter(|name| unwanted.iter().any(|unwanted| name.starts_with(unwanted)))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn the_agent_has_no_compiler_no_command_line_and_no_tls() {
    let agent = tree(&["-p", "wxec-agent", "-e", "normal"]);
    assert!(agent.contains("wasmtime"), "{agent:?}");
    has_none(
        &agent,
        &[
            "cranelift-codegen",
            "winch",
            "clap",
            "rustls",
            "openssl",
            "native-tls",
            "tracing-subscriber",
        ],
    );
    assert!(!agent.contains("wxec"), "the facade is for users");
}

/// The first call on a machine waits until the compiler is built.
#[test]
fn the_compiler_has_no_sandbox() {
    let compiler = tree(&["-p", "wxec-compiler", "-e", "normal,build"]);
    assert!(compiler.contains("cranelift-codegen"), "{compiler:?}");
    has_none(&compiler, &["wasmtime-wasi", "wiggle", "tokio", "wit-"]);
}

#[test]
fn a_users_program_has_no_wasmtime() {
    let example = tree(&["-p", "wxec-examples", "-e", "normal,build"]);
    assert!(example.contains("wxec-controller"), "{example:?}");
    has_none(
        &example,
        &["wasmtime", "cranelift", "clap", "rustls", "native-tls"],
    );
}

#[test]
fn a_guest_has_nothing_of_the_controller() {
    let guest = tree(&["-p", "words", "-e", "normal", "--target", "wasm32-wasip1"]);
    assert!(guest.contains("wxec"), "{guest:?}");
    has_none(
        &guest,
        &[
            "tokio",
            "wasmtime",
            "cranelift",
            "wxec-controller",
            "wxec-build",
        ],
    );
}

/// Limits that hold whatever the baseline says.
const MAX_IMAGE_BYTES: u64 = 3_119_000;
/// What travels to a host for the first connection: the starter, and the image compressed.
const MAX_WIRE_BYTES: u64 = 1_150_000;
const MAX_STARTER_BYTES: u64 = 40_000;

#[test]
fn the_agent_is_small_static_and_stripped() {
    let image = wxec_build::agent(&Platform::here(), &Quiet).unwrap();
    assert!(image.bytes <= MAX_IMAGE_BYTES, "{} bytes", image.bytes);
    is_static_and_stripped(&image.path);
}

#[test]
fn the_starter_is_small_static_and_stripped_on_every_architecture() {
    for architecture in Platform::AGENT_ARCHITECTURES {
        let platform = Platform::new(architecture, "linux");
        let starter = match wxec_build::starter(&platform, &Quiet) {
            Ok(starter) => starter,
            Err(error @ (BuildError::MissingStd { .. } | BuildError::NoCCompiler { .. })) => {
                return skip(&error.to_string());
            }
            Err(error) => panic!("{error}"),
        };
        let bytes = starter.bytes;
        assert!(bytes <= MAX_STARTER_BYTES, "{architecture}: {bytes} bytes");
        is_static_and_stripped(&starter.path);
    }
}

#[test]
fn little_travels_to_a_host() {
    let image = wxec_build::agent(&Platform::here(), &Quiet).unwrap();
    let starter = wxec_build::starter(&Platform::here(), &Quiet).unwrap();
    let bytes = image.compressed_bytes + starter.bytes;
    assert!(bytes <= MAX_WIRE_BYTES, "{bytes} bytes");
}

#[track_caller]
fn is_static_and_stripped(program: &Path) {
    let elf = Elf(fs::read(program).unwrap());
    assert!(
        !elf.segment_types().contains(&Elf::INTERPRETER),
        "it asks for a dynamic linker"
    );
    assert!(
        !elf.section_types().contains(&Elf::SYMBOL_TABLE),
        "it has a symbol table"
    );
}

/// A 64-bit little-endian ELF file, as far as these tests read one.
struct Elf(Vec<u8>);

impl Elf {
    /// `PT_INTERP`.
    const INTERPRETER: u64 = 3;
    /// `SHT_SYMTAB`.
    const SYMBOL_TABLE: u64 = 2;

    fn segment_types(&self) -> Vec<u64> {
        assert_eq!(self.0[..6], *b"\x7fELF\x02\x01", "64 bits, little-endian");
        self.table(
            self.number(32, 8),
            self.number(54, 2),
            self.number(56, 2),
            0,
        )
    }

    fn section_types(&self) -> Vec<u64> {
        self.table(
            self.number(40, 8),
            self.number(58, 2),
            self.number(60, 2),
            4,
        )
    }

    /// The types in a table of headers; each header has its type at `offset`.
    fn table(&self, start: u64, length: u64, count: u64, offset: u64) -> Vec<u64> {
        (0..count)
            .map(|index| self.number(start + index * length + offset, 4))
            .collect()
    }

    fn number(&self, at: u64, length: usize) -> u64 {
        let at = usize::try_from(at).unwrap();
        self.0[at..at + length]
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}
