use wxec_engine::{
    CompileError, Countable, MAX_WASM_BYTES, Place, Sandbox, VerifiedArtifact, compile,
};
use wxec_protocol::{Digest, Fault, Platform, Target};

use crate::{compile_wat, load};

#[test]
fn a_flipped_bit_is_refused() {
    let artifact = compile_wat(
        r#"(module (func (export "wx1_seven") (result i32) (i32.const 7)))"#,
        &Target::here(),
    );
    let digest = Digest::of(&artifact);
    let mut damaged = artifact.to_vec();
    damaged[artifact.len() / 2] ^= 1;

    let error = VerifiedArtifact::verify(damaged.into(), digest).unwrap_err();
    assert_eq!(error.wanted, digest);
    assert_eq!(
        VerifiedArtifact::verify(artifact, digest).unwrap().digest(),
        digest
    );
}

#[test]
fn other_bytes_are_no_artifact_even_with_a_digest() {
    let bytes = b"not an artifact".as_slice();
    let artifact = VerifiedArtifact::verify(bytes.into(), Digest::of(bytes)).unwrap();
    assert!(matches!(
        Sandbox::new().unwrap().load(&artifact),
        Err(Fault::BadModule(_))
    ));
}

/// Packs an artifact as the controller does.
fn pack(artifact: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(artifact.len()));
    zstd_safe::compress(&mut frame, artifact, 9).unwrap();
    frame
}

#[test]
fn a_packed_artifact_is_unpacked() {
    let artifact = compile_wat(
        r#"(module (func (export "wx1_seven") (result i32) (i32.const 7)))"#,
        &Target::here(),
    );
    let frame = pack(&artifact);
    assert!(frame.len() < artifact.len());
    let verified = VerifiedArtifact::verify(frame.clone().into(), Digest::of(&frame)).unwrap();
    assert_eq!(verified.unpacked_bytes(), artifact.len());
    assert!(Sandbox::new().unwrap().load(&verified).is_ok());
}

#[test]
fn a_frame_that_does_not_unpack_is_refused() {
    let sandbox = Sandbox::new().unwrap();
    let frame = pack(&[7; 1000]);
    // 1 GiB, as a header that nothing follows has it.
    let long = [&frame[..4], &[0b1010_0000, 0, 0, 0, 0x40]].concat();
    for frame in [&frame[..4], &frame[..frame.len() - 1], &long] {
        let artifact = VerifiedArtifact::verify(frame.to_vec().into(), Digest::of(frame)).unwrap();
        let Err(Fault::BadModule(reason)) = sandbox.load(&artifact) else {
            panic!("refused")
        };
        assert!(reason.contains("packed"), "{reason}");
    }
}

#[test]
fn an_artifact_of_another_architecture_is_refused() {
    let other = if cfg!(target_arch = "x86_64") {
        "aarch64"
    } else {
        "x86_64"
    };
    let artifact = compile(
        &wat::parse_str("(module)").unwrap(),
        &Target::baseline(Platform::new(other, "linux")),
    )
    .unwrap();
    let digest = Digest::of(&artifact);
    let artifact = VerifiedArtifact::verify(artifact.into(), digest).unwrap();
    let Err(Fault::BadModule(reason)) = Sandbox::new().unwrap().load(&artifact) else {
        panic!("refused")
    };
    assert!(reason.contains(other), "{reason}");
}

#[test]
fn unknown_imports_are_all_named() {
    let wat = r#"(module
        (import "wxec_v1" "teleport" (func))
        (import "wxec_v1" "input_len" (func (result i32)))
        (import "env" "table" (table 1 funcref)))"#;
    let Err(fault) = load(&Sandbox::new().unwrap(), wat) else {
        panic!("refused")
    };
    let reason = "it imports what this agent does not offer: wxec_v1::teleport, env::table";
    assert_eq!(fault, Fault::BadModule(reason.into()));
}

#[test]
fn an_import_of_another_type_is_refused() {
    let wat = r#"(module (import "wxec_v1" "input_len" (func (result i64))))"#;
    let Err(Fault::BadModule(reason)) = load(&Sandbox::new().unwrap(), wat) else {
        panic!("refused")
    };
    assert!(reason.contains("input_len"), "{reason}");
}

#[test]
fn a_task_of_another_type_is_refused() {
    let wat = r#"(module (func (export "wx1_add") (param i32 i32) (result i32) (i32.const 0)))"#;
    let Err(fault) = load(&Sandbox::new().unwrap(), wat) else {
        panic!("refused")
    };
    let reason = "its export `wx1_add` is not a function that takes nothing and returns an i32";
    assert_eq!(fault, Fault::BadModule(reason.into()));
}

#[test]
fn only_modules_of_wasm_2_compile() {
    let compile = |bytes: &[u8]| compile(bytes, &Target::here());
    let compile_wat = |wat: &str| compile(&wat::parse_str(wat).unwrap());

    assert_eq!(compile(b"hello"), Err(CompileError::NotWasm));
    assert_eq!(compile_wat("(component)"), Err(CompileError::Component));
    assert!(matches!(
        compile(b"\0asm\x01\0\0\0\xff"),
        Err(CompileError::Invalid(_))
    ));
    assert_eq!(
        compile(b"\0asm\x0e\0\x01\0"),
        Err(CompileError::Component),
        "whatever its version"
    );
    assert!(
        compile_wat("(module (func (param v128) (result v128) (f64x2.floor (local.get 0))))")
            .is_ok()
    );

    let long = vec![0; MAX_WASM_BYTES + 1];
    assert_eq!(compile(&long), Err(CompileError::TooLong(long.len())));
}

#[test]
fn a_module_with_too_much_of_something_is_refused_by_name() {
    let with_locals = |count| {
        wat::parse_str(format!("(module (func (local {})))", "i32 ".repeat(count))).unwrap()
    };
    assert!(compile(&with_locals(20_000), &Target::here()).is_ok());
    let error = CompileError::TooMuch {
        place: Place::Function(0),
        which: Countable::Locals,
        found: 20_001,
    };
    assert_eq!(
        error.to_string(),
        "function 0 has 20001 locals, more than the 20000 allowed"
    );
    assert_eq!(compile(&with_locals(20_001), &Target::here()), Err(error));
}

#[test]
fn a_target_without_code_generator_is_named() {
    let module = wat::parse_str("(module)").unwrap();
    let error = compile(&module, &Target::baseline(Platform::new("sparc", "linux"))).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot compile for sparc-linux: "),
        "{error}"
    );
}
