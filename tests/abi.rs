//! The guest ABI as documented, used by guests without an SDK: WebAssembly written by hand.

use std::sync::{Arc, Mutex};

use wxec::{
    CallErrorKind, Host, Module,
    call::{Bound, TaskFailure},
    module::{Function, Parameter, Wants},
    output::GuestOutput,
};
use wxec_protocol::{abi, cbor};

/// The imports and the memory of every guest here.
const PRELUDE: &str = r#"
    (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (import "wxec_v1" "error_write" (func $error_write (param i32 i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
"#;

/// Gives back its only argument: the input is an array of one item, whose head is one byte.
const SAME: &str = r#"
    (func (export "wx1_hand::same") (result i32)
        (call $output_write (i32.const 0)
            (call $input_read (i32.const 1) (i32.const 0) (i32.const 65536)))
        (i32.const 0))
"#;

fn module(body: &str) -> Module {
    let wasm = wat::parse_str(format!("(module {PRELUDE} {body})")).unwrap();
    Module::from_bytes("hand", wasm).unwrap()
}

fn bind(body: &str) -> Bound {
    Host::new("local:").unwrap().bind(&module(body))
}

/// Formats bytes as a string of the text format.
fn quoted(bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("\"{escaped}\"")
}

/// A task that writes `error` and ends with `status`.
fn ending(status: abi::Status, error: &[u8]) -> String {
    format!(
        r#"(data (i32.const 0) {})
        (func (export "wx1_hand::end") (result i32)
            (call $error_write (i32.const 0) (i32.const {}))
            (i32.const {}))"#,
        quoted(error),
        error.len(),
        status as i32,
    )
}

#[test]
fn a_task_needs_no_description() {
    let hand = module(SAME);
    assert_eq!(hand.functions(), []);
    assert_eq!(hand.exports().collect::<Vec<_>>(), ["hand::same"]);
    let hand = Host::new("local:").unwrap().bind(&hand);
    assert_eq!(
        hand.call::<String>("hand::same", &("as it is",))
            .wait()
            .unwrap(),
        "as it is"
    );
    assert_eq!(
        hand.call::<Vec<u64>>("hand::same", &([1_u64, 1 << 40],))
            .wait()
            .unwrap(),
        [1, 1 << 40]
    );
}

#[test]
fn what_a_guest_need_not_understand_passes_through() {
    let hand = bind(SAME);
    for nested in [None, Some(None), Some(Some(5_u32))] {
        assert_eq!(
            hand.call::<Option<Option<u32>>>("hand::same", &(nested,))
                .wait()
                .unwrap(),
            nested
        );
    }
    // `Some(None)`, as another language would write it.
    let marked = wxec::call::Value::Tag(cbor::SOME_TAG, wxec::call::Value::Null.into());
    assert_eq!(
        hand.call::<Option<Option<u32>>>("hand::same", &(marked,))
            .wait()
            .unwrap(),
        Some(None)
    );
}

#[test]
fn a_description_is_a_record_in_a_section() {
    let same = Function {
        path: String::new(),
        name: "same".into(),
        doc: "Gives back its argument.".into(),
        parameters: vec![Parameter {
            name: "it".into(),
            type_name: "String".into(),
        }],
        returns: "String".into(),
        error: None,
        wants: Wants::default(),
        readable: false,
        plan: None,
    };
    let record = quoted(&abi::record("hand", &same));
    let hand = module(&format!(r#"{SAME} (@custom "{}" {record})"#, abi::SECTION));
    assert_eq!(
        hand.functions(),
        [Function {
            path: "hand::same".into(),
            ..same
        }]
    );
    let hand = Host::new("local:").unwrap().bind(&hand);
    assert_eq!(
        hand.call::<String>("same", &("as it is",)).wait().unwrap(),
        "as it is"
    );
}

#[test]
fn a_description_may_be_written_by_a_function() {
    let same = Function {
        path: String::new(),
        name: "same".into(),
        doc: String::new(),
        parameters: Vec::new(),
        returns: "String".into(),
        error: None,
        wants: Wants::default(),
        readable: false,
        plan: None,
    };
    let record = abi::record("hand", &same);
    let describing = |record: &[u8]| {
        module(&format!(
            r#"{SAME} (data (i32.const 0) {}) (func (export "wx1__describe") (result i32)
                (call $output_write (i32.const 0) (i32.const {})) (i32.const 0))"#,
            quoted(record),
            record.len()
        ))
    };
    let host = Host::new("local:").unwrap();
    let silent = describing(&record);
    assert_eq!(silent.functions(), []);
    assert_eq!(silent.exports().collect::<Vec<_>>(), ["hand::same"]);
    silent.describe().wait().unwrap();
    let names: Vec<_> = silent.functions().iter().map(|it| &*it.path).collect();
    assert_eq!(names, ["hand::same"]);
    let same: u8 = host.bind(&silent).call("same", &(7,)).wait().unwrap();
    assert_eq!(same, 7);

    let error = describing(b"no records").describe().wait().unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(
        format!("{error}: {source}"),
        "what hand says of its functions cannot be read: descriptor 0 is cut short"
    );
}

#[test]
fn a_description_that_makes_no_sense_is_refused() {
    let wasm = wat::parse_str(r#"(module (@custom "wxec.fn.v1" "\ff\ff\ff\ff"))"#).unwrap();
    let error = Module::from_bytes("hand", wasm).unwrap_err();
    assert_eq!(
        error.to_string(),
        "what hand says of its functions cannot be read"
    );
}

#[test]
fn a_failure_is_a_status_and_a_record() {
    let failure = TaskFailure {
        type_name: "hand::Refusal".into(),
        message: "no".into(),
        chain: vec!["because".into()],
        data: None,
    };
    let hand = bind(&ending(
        abi::Status::Failed,
        &cbor::encode(&failure).unwrap(),
    ));
    let error = hand.call::<()>("hand::end", &()).wait().unwrap_err();
    assert!(
        matches!(&error.kind, CallErrorKind::Failed(arrived) if *arrived == failure),
        "{error:?}"
    );

    let hand = bind(&ending(abi::Status::BadArguments, b"too few"));
    let error = hand.call::<()>("hand::end", &()).wait().unwrap_err();
    assert!(
        matches!(&error.kind, CallErrorKind::BadArguments(reason) if reason == "too few"),
        "{error:?}"
    );
}

#[test]
fn a_value_that_is_no_cbor_is_an_error_of_the_callers() {
    let hand = bind(
        r#"(data (i32.const 0) "\ff")
        (func (export "wx1_hand::bad") (result i32) (call $output_write (i32.const 0) (i32.const 1)) (i32.const 0))"#,
    );
    let error = hand.call::<u8>("hand::bad", &()).wait().unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Decode(_)), "{error:?}");
}

#[test]
fn a_pointer_that_lies_ends_the_call_and_not_the_session() {
    let lie = r#"(func (export "wx1_hand::lie") (result i32)
        (call $output_write (i32.const 65535) (i32.const -1)) (i32.const 0))"#;
    let hand = bind(&format!("{SAME} {lie}"));
    let error = hand.call::<()>("hand::lie", &()).wait().unwrap_err();
    assert!(
        matches!(error.kind, CallErrorKind::Trap { .. }),
        "{error:?}"
    );
    assert_eq!(hand.call::<u8>("hand::same", &(7,)).wait().unwrap(), 7);
}

#[test]
fn an_import_that_no_host_offers_is_named() {
    let wasm = wat::parse_str(
        r#"(module (import "env" "system" (func)) (func (export "wx1_hand::f") (result i32) (i32.const 0)))"#,
    );
    let hand = Host::new("local:")
        .unwrap()
        .bind(&Module::from_bytes("hand", wasm.unwrap()).unwrap());
    let error = hand.call::<()>("hand::f", &()).wait().unwrap_err();
    assert!(
        matches!(&error.kind, CallErrorKind::BadModule(reason) if reason.contains("env") && reason.contains("system")),
        "{error:?}"
    );
}

#[test]
fn a_guest_finds_no_files_no_environment_and_nothing_to_read() {
    // Each item of its value is an answer of WASI: an error, or a number of things.
    let look = r#"
        (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
        (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\85")
        (data (i32.const 100) "/etc/passwd")
        (data (i32.const 200) "\00\04\00\00\10\00\00\00")
        (func (export "wx1_hand::look") (result i32)
            (i32.store8 (i32.const 1) (call $fd_prestat_get (i32.const 3) (i32.const 300)))
            ;; Whether it is ENOTCAPABLE.
            (i32.store8 (i32.const 2) (i32.eq (i32.const 76)
                (call $path_open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 11)
                    (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 300))))
            (drop (call $environ_sizes_get (i32.const 400) (i32.const 404)))
            (i32.store8 (i32.const 3) (i32.load (i32.const 400)))
            (drop (call $args_sizes_get (i32.const 400) (i32.const 404)))
            (i32.store8 (i32.const 4) (i32.load (i32.const 400)))
            (drop (call $fd_read (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 400)))
            (i32.store8 (i32.const 5) (i32.load (i32.const 400)))
            (call $output_write (i32.const 0) (i32.const 6))
            (i32.const 0))"#;
    // The placeholder for `/`, in which nothing is found.
    const PLACEHOLDER: u8 = 0;
    const DENIED: u8 = 1;
    let hand =
        Module::from_bytes("hand", wat::parse_str(format!("(module {look})")).unwrap()).unwrap();
    let hand = Host::new("local:").unwrap().bind(&hand);
    let found: [u8; 5] = hand.call("hand::look", &()).wait().unwrap();
    assert_eq!(found, [PLACEHOLDER, DENIED, 0, 0, 0]);
}

#[test]
fn what_is_written_to_descriptor_1_never_reaches_the_conversation() {
    // The beginning of a frame of 64 bytes, as the agent itself would write one.
    let print = format!(
        r#"(data (i32.const 0) {})
        (data (i32.const 100) "\00\00\00\00\08\00\00\00")
        (func (export "wx1_hand::print") (result i32)
            (drop (call $fd_write (i32.const 1) (i32.const 100) (i32.const 1) (i32.const 200)))
            (call $output_write (i32.const 0) (i32.const 1))
            (i32.const 0))"#,
        quoted(&[0x07, 0, 0, 64, 3, 0, 0, b'\n'])
    );
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = seen.clone();
    let host = Host::new("local:").unwrap();
    let host = host.with_output(Arc::new(move |_, output| {
        let GuestOutput::Stdout(bytes) = output else {
            panic!("{output:?}")
        };
        keep.lock().unwrap().extend_from_slice(bytes);
    }));
    let hand = host.bind(&module(&format!("{SAME} {print}")));
    assert_eq!(hand.call::<u8>("hand::print", &()).wait().unwrap(), 7);
    assert_eq!(*seen.lock().unwrap(), [0x07, 0, 0, 64, 3, 0, 0, b'\n']);
    assert_eq!(hand.call::<u8>("hand::same", &(8,)).wait().unwrap(), 8);
}
