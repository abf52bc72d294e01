;; expect: trap
;; A task is no program, and has no exit code.
(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (call $proc_exit (i32.const 0))
        (i32.const 0)))
