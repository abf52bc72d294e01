//! Parts of WebAssembly that today's compilers emit: those that run, on every kind of code, and those
//! that are refused by name.

use wxec_engine::{CompileError, Proposal, Sandbox, compile};
use wxec_protocol::{Code, Fault, Memory};

use crate::Fixture;

/// Each function returns 0 if it computes what it must.
const ACCEPTED: &str = r#"
    (data $words "some words")
    (table $functions 4 funcref)
    (elem $some func $seven $eight)
    (type $number (func (result i32)))
    (global $mutable (export "mutable") (mut i32) (i32.const 1))
    (global $sum i32 (i32.add (i32.const 40) (i32.mul (i32.const 1) (i32.const 2))))
    (func $seven (result i32) (i32.const 7))
    (func $eight (result i32) (i32.const 8))

    (func (export "wx1_simd") (result i32)
        (i32.ne (i32.const 10)
            (i32x4.extract_lane 3 (i32x4.add (v128.const i32x4 1 2 3 4) (v128.const i32x4 3 4 5 6)))))

    (func (export "wx1_bulk_memory") (result i32)
        (memory.init $words (i32.const 100) (i32.const 5) (i32.const 5))
        (data.drop $words)
        (memory.copy (i32.const 200) (i32.const 100) (i32.const 5))
        (memory.fill (i32.const 100) (i32.const 0) (i32.const 5))
        (i32.or (i32.load (i32.const 100)) (i32.ne (i32.load8_u (i32.const 204)) (i32.const 115))))

    (func (export "wx1_reference_types") (result i32)
        (table.init $functions $some (i32.const 1) (i32.const 0) (i32.const 2))
        (table.set $functions (i32.const 3) (ref.func $eight))
        (i32.or
            (i32.ne (call_indirect $functions (type $number) (i32.const 3)) (i32.const 8))
            (i32.eqz (ref.is_null (table.get $functions (i32.const 0))))))

    (func $divided (param i32 i32) (result i32 i32)
        (i32.div_u (local.get 0) (local.get 1)) (i32.rem_u (local.get 0) (local.get 1)))
    (func (export "wx1_multi_value") (result i32)
        (call $divided (i32.const 17) (i32.const 5))
        (block (param i32 i32) (result i32) i32.mul)
        (i32.ne (i32.const 6)))

    (func (export "wx1_sign_extension") (result i32)
        (i32.or
            (i32.ne (i32.extend8_s (i32.const 0x1ff)) (i32.const -1))
            (i64.ne (i64.extend32_s (i64.const 0x1ffffffff)) (i64.const -1))))

    (func (export "wx1_saturating_conversions") (result i32)
        (i32.or
            (i32.ne (i32.trunc_sat_f64_s (f64.const 1e30)) (i32.const 0x7fffffff))
            (i32.trunc_sat_f32_s (f32.const nan))))

    (func (export "wx1_mutable_globals") (result i32)
        (global.set $mutable (i32.add (global.get $mutable) (i32.const 1)))
        (i32.ne (global.get $mutable) (i32.const 2)))

    (func (export "wx1_extended_constants") (result i32)
        (i32.ne (global.get $sum) (i32.const 42)))

    (func $count_down (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        (return_call $count_down (i32.sub (local.get 0) (i32.const 1))))
    (func (export "wx1_tail_calls") (result i32)
        ;; More than the stack holds.
        (return_call $count_down (i32.const 1000000)))
    (func $turn (result i32) (return_call $turn))
    (func (export "wx1_endless_tail_calls") (result i32) (return_call $turn))"#;

const FUNCTIONS: [&str; 9] = [
    "simd",
    "bulk_memory",
    "reference_types",
    "multi_value",
    "sign_extension",
    "saturating_conversions",
    "mutable_globals",
    "extended_constants",
    "tail_calls",
];

#[tokio::test]
async fn what_compilers_emit_runs_on_every_kind_of_code() {
    let native = Sandbox::new().unwrap().target().code;
    for (code, memory) in [
        (native, Memory::Reserved),
        (Code::Baseline, Memory::Checked),
        (Code::Pulley, Memory::Reserved),
    ] {
        let fixture = Fixture::on(Sandbox::with(code, memory).unwrap(), ACCEPTED);
        for function in FUNCTIONS {
            let ended = fixture.call(function, b"").await;
            assert_eq!(ended, Ok(Default::default()), "{function} on {code:?}");
        }
    }
}

#[tokio::test]
async fn tail_calls_without_end_are_ended_by_the_deadline() {
    let native = Sandbox::new().unwrap().target().code;
    for code in [native, Code::Pulley] {
        let sandbox = Sandbox::with(code, Memory::Reserved).unwrap();
        let fixture = Fixture::on(sandbox, ACCEPTED).with_deadline_ms(50);
        let ended = fixture.call("endless_tail_calls", b"").await;
        assert_eq!(ended, Err(Fault::Deadline { after_ms: 50 }), "{code:?}");
    }
}

#[test]
fn what_no_host_runs_is_named() {
    let refused = |body: &str| {
        let wasm = wat::parse_str(format!("(module {body})")).unwrap();
        compile(&wasm, Sandbox::new().unwrap().target()).unwrap_err()
    };
    use Proposal::*;
    for (body, proposals) in [
        ("(memory 1 2 shared)", vec![Threads]),
        (
            "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))",
            vec![Threads],
        ),
        ("(memory i64 1)", vec![Memory64]),
        (
            "(memory i64 1) (func (drop (i32.load (i64.const 0))))",
            vec![Memory64],
        ),
        ("(memory 1) (memory 1)", vec![MultiMemory]),
        (
            "(memory 1) (memory $two 1) (func (drop (i32.load $two (i32.const 0))))",
            vec![MultiMemory],
        ),
        ("(memory 1 (pagesize 1))", vec![CustomPageSizes]),
        ("(type (struct))", vec![Gc]),
        (
            "(type $f (func)) (func (param (ref null $f)))",
            vec![FunctionReferences],
        ),
        ("(tag)", vec![Exceptions]),
        ("(table 1 externref)", vec![HostReferences]),
        ("(func (param externref))", vec![HostReferences]),
        ("(func try catch_all end)", vec![LegacyExceptions]),
        (
            "(func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1)))",
            vec![RelaxedSimd],
        ),
        (
            "(func (param i64 i64 i64 i64) (result i64 i64) \
             (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))",
            vec![WideArithmetic],
        ),
        ("(memory i64 1 2 shared)", vec![Threads, Memory64]),
    ] {
        assert_eq!(
            refused(body),
            CompileError::Unsupported(proposals),
            "{body}"
        );
    }
    let said = |body| refused(body).to_string();
    assert_eq!(
        said("(memory i64 1) (type (struct))"),
        "the module uses garbage collection and memory64, and wxec runs WebAssembly 2.0 on any host: build it without \
         (asc without `--enable gc`; a target of wasm32)"
    );
    assert_eq!(
        said("(tag)"),
        "the module uses exceptions, and wxec runs WebAssembly 2.0 on any host: build it without \
         (clang without `-fwasm-exceptions` and `-mllvm -wasm-enable-sjlj`, C++ with `-fno-exceptions`; Rust with \
         `-C panic=abort`; asc without `--enable exception-handling`)"
    );
    assert_eq!(
        said("(memory 1 2 shared)"),
        "the module uses threads (shared memory and atomics), and wxec runs WebAssembly 2.0 on any host: build it without \
         (clang without `-pthread`; Rust for wasm32-wasip1; Zig with `-fsingle-threaded`; asc without `--enable threads`)"
    );
    assert!(
        matches!(refused("(func (result i32))"), CompileError::Invalid(_)),
        "no proposal makes this valid"
    );
}
