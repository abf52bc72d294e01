//! Bombs that are refused when they are counted, bombs that are not and end at a limit, and modules
//! that are no bombs.

use std::{
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, ImportSection, InstructionSink, Module,
    TypeSection, ValType,
};

use crate::{HERE, PLENTY, compile, compile_within, complaint};

/// Refusing takes some milliseconds. The rest is for a busy machine and a compiler without
/// optimisation.
const AT_ONCE: Duration = Duration::from_secs(60);

#[track_caller]
fn assert_refused(module: &[u8], reason: &str) {
    let begun = Instant::now();
    let output = compile(HERE, module);
    assert_eq!(complaint(&output), (1, &*format!("{reason}\n")));
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

/// `functions` times the same function, without parameters and results.
fn functions(functions: u32, function: &Function) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let (mut declared, mut code) = (FunctionSection::new(), CodeSection::new());
    for _ in 0..functions {
        declared.function(0);
        code.function(function);
    }
    let mut module = Module::new();
    module.section(&types).section(&declared).section(&code);
    module.finish()
}

/// One function with these locals, of type i32, and this body.
fn function(locals: u32, body: impl FnOnce(&mut InstructionSink<'_>)) -> Function {
    let mut function = Function::new([(locals, ValType::I32)]);
    body(&mut function.instructions());
    function.instructions().end();
    function
}

/// Loops within each other, each of which may repeat: compiling them takes far longer than in
/// proportion.
fn nested_loops(depth: u32) -> Vec<u8> {
    let body = function(1, |code| {
        for _ in 0..depth {
            code.loop_(BlockType::Empty);
        }
        for _ in 0..depth {
            code.local_get(0).br_if(0).end();
        }
    });
    functions(1, &body)
}

#[test]
fn a_million_functions() {
    let module = functions(1_000_000, &function(0, |_| ()));
    assert_refused(
        &module,
        "the module has 1000000 functions, more than the 100000 allowed",
    );
}

#[test]
fn a_function_with_fifty_thousand_locals() {
    let module = functions(1, &function(50_000, |_| ()));
    assert_refused(
        &module,
        "function 0 has 50000 locals, more than the 20000 allowed",
    );
}

#[test]
fn a_function_of_several_megabytes() {
    let body = function(0, |code| {
        for _ in 0..5_000_000 {
            code.nop();
        }
    });
    assert_refused(
        &functions(1, &body),
        "function 0 has 5000004 bytes, more than the 1048576 allowed",
    );
}

#[test]
fn many_targets_in_one_branch_and_in_many() {
    let too_many = |targets| {
        format!("function 0 has {targets} targets of br_table, more than the 100000 allowed")
    };
    let one = function(0, |code| {
        code.i32_const(0).br_table(vec![0; 1_000_000], 0);
    });
    assert_refused(&functions(1, &one), &too_many(1_000_000));
    let many = function(0, |code| {
        for _ in 0..100_001 {
            code.block(BlockType::Empty)
                .i32_const(0)
                .br_table([0], 0)
                .end();
        }
    });
    assert_refused(&functions(1, &many), &too_many(100_001));
}

#[test]
fn blocks_within_each_other() {
    let body = function(0, |code| {
        for _ in 0..100_000 {
            code.block(BlockType::Empty);
        }
        for _ in 0..100_000 {
            code.end();
        }
    });
    assert_refused(
        &functions(1, &body),
        "function 0 has 5001 blocks within each other, more than the 5000 allowed",
    );
}

#[test]
fn more_types_imports_globals_and_exports_than_anyone_has() {
    let mut types = TypeSection::new();
    for _ in 0..10_001 {
        types.ty().function([], []);
    }
    let module = Module::new().section(&types).clone().finish();
    assert_refused(
        &module,
        "the module has 10001 types, more than the 10000 allowed",
    );

    let global = GlobalType {
        val_type: ValType::I32,
        mutable: false,
        shared: false,
    };
    let mut imports = ImportSection::new();
    for _ in 0..10_001 {
        imports.import("", "", EntityType::Global(global));
    }
    let module = Module::new().section(&imports).clone().finish();
    assert_refused(
        &module,
        "the module has 10001 imports, more than the 10000 allowed",
    );

    let mut globals = GlobalSection::new();
    for _ in 0..100_001 {
        globals.global(global, &ConstExpr::i32_const(0));
    }
    let module = Module::new().section(&globals).clone().finish();
    assert_refused(
        &module,
        "the module has 100001 globals, more than the 100000 allowed",
    );

    let mut exports = ExportSection::new();
    for _ in 0..50_001 {
        exports.export("", ExportKind::Func, 0);
    }
    let module = Module::new().section(&exports).clone().finish();
    assert_refused(
        &module,
        "the module has 50001 exports, more than the 50000 allowed",
    );
}

#[test]
fn a_function_is_named_as_tools_name_it() {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut imports = ImportSection::new();
    imports
        .import("env", "f", EntityType::Function(0))
        .import("env", "g", EntityType::Function(0));
    let mut declared = FunctionSection::new();
    declared.function(0).function(0);
    let mut code = CodeSection::new();
    code.function(&function(0, |_| ()))
        .function(&function(20_001, |_| ()));
    let module = Module::new()
        .section(&types)
        .section(&imports)
        .section(&declared)
        .section(&code)
        .clone()
        .finish();
    assert_refused(
        &module,
        "function 3 has 20001 locals, more than the 20000 allowed",
    );
}

#[test]
fn what_takes_more_processor_time_than_it_may_is_killed() {
    let [memory, _, wall] = PLENTY;
    let output = compile_within(HERE, [memory, "1", wall], &nested_loops(5_000));
    assert_eq!(
        output.status.signal(),
        Some(Signal::XCPU.as_raw()),
        "{output:?}"
    );
}

#[test]
fn what_takes_more_time_than_it_may_says_so() {
    let [memory, cpu, _] = PLENTY;
    let output = compile_within(HERE, [memory, cpu, "1"], &nested_loops(5_000));
    assert_eq!(complaint(&output), (1, "it took more than 1 s\n"));
}

#[test]
fn what_takes_more_memory_than_it_may_aborts() {
    let body = function(0, |code| {
        for _ in 0..100_000 {
            code.call(0);
        }
    });
    let [_, cpu, wall] = PLENTY;
    let output = compile_within(HERE, ["268435456", cpu, wall], &functions(1, &body));
    assert_eq!(
        output.status.signal(),
        Some(Signal::ABORT.as_raw()),
        "{output:?}"
    );
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("memory allocation of "),
        "{output:?}"
    );
}

#[test]
fn what_an_interpreter_needs_is_allowed() {
    // An interpreter's loop: a block for each operation, a branch to each of them, and many locals.
    let operations = 500;
    let body = function(1_000, |code| {
        for _ in 0..=operations {
            code.block(BlockType::Empty);
        }
        code.local_get(0)
            .br_table((0..operations).collect::<Vec<_>>(), operations);
        for operation in 0..=operations {
            code.end().local_get(operation).local_set(0);
        }
    });
    let output = compile(HERE, &functions(1, &body));
    assert!(output.status.success(), "{output:?}");
}
