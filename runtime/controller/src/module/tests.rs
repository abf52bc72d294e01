//! Tests of modules from bytes and files.

use super::*;

#[test]
fn what_is_no_module_is_named_for_what_it_is() {
    let said = |bytes: &[u8]| {
        Module::from_bytes("it", bytes.to_vec())
            .unwrap_err()
            .to_string()
    };
    let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(
        said(&this),
        "it is no wasm module but a native program or library (ELF)"
    );
    assert_eq!(
        said(b"#!/bin/sh\necho hi\n"),
        "it is no wasm module but a script"
    );
    assert_eq!(
        said(b"\n;; A comment.\n  (module)"),
        "it is the text of a wasm module, not the module"
    );
    assert_eq!(said(b""), "it is no wasm module: it is empty");
    assert_eq!(
        said(b"[package]"),
        r"it is no wasm module: it does not begin with `\0asm`"
    );
    for component in [
        wat::parse_str("(component)").unwrap(),
        b"\0asm\x0e\0\x01\0and more".to_vec(),
    ] {
        assert_eq!(
            said(&component),
            "it is a component (WASI 0.2), and wxec runs core modules of WASI preview 1"
        );
    }
}

#[test]
fn what_is_imported_twice_is_wanted_once() {
    let wasm = wat::parse_str(
        r#"(module
        (import "a" "b" (func)) (import "a" "c" (func)) (import "a" "b" (func)) (import "a" "b" (func (param i32)))
        (memory (export "memory") 1)
        (func (export "add")) (func (export "_start")) (func (export "wx1_task")))"#,
    );
    let module = Module::from_bytes("it", wasm.unwrap()).unwrap();
    assert_eq!(module.imports(), ["a.b", "a.c"]);
    assert_eq!(module.plain_exports().collect::<Vec<_>>(), ["add"]);
    assert_eq!(module.exports().collect::<Vec<_>>(), ["task"]);
    assert!(module.is_program());
}

#[test]
fn a_function_in_a_module_named_like_a_keyword_is_found_by_both_names() {
    let described = Function {
        path: String::new(),
        name: "f".into(),
        doc: String::new(),
        parameters: Vec::new(),
        returns: "()".into(),
        error: None,
        wants: abi::Wants::default(),
        readable: false,
        plan: None,
    };
    let record: String = abi::record("words::r#type", &described)
        .iter()
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let section = abi::SECTION;
    let text = format!(
        r#"(module (func (export "wx1_words::r#type::f")) (@custom "{section}" "{record}"))"#
    );
    let module = Module::from_bytes("words", wat::parse_str(text).unwrap()).unwrap();
    for name in ["words::r#type::f", "r#type::f", "words::type::f", "type::f"] {
        assert_eq!(
            module.function(name).unwrap().path,
            "words::r#type::f",
            "{name}"
        );
    }
    assert_eq!(module.function("f"), None);
}

#[test]
fn a_module_that_is_too_large_is_not_looked_into() {
    let size = MAX_WASM_BYTES + 1;
    let bytes = vec![0; usize::try_from(size).unwrap()];
    let error = Module::from_bytes("large", bytes).unwrap_err();
    assert!(
        matches!(error, ModuleError::TooLarge { size: found, limit: MAX_WASM_BYTES, .. } if found == size)
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 40).unwrap();
    let error = Module::from_file(file.path()).unwrap_err();
    assert!(
        matches!(error, ModuleError::TooLarge { size, .. } if size == 1 << 40),
        "{error}"
    );
}
