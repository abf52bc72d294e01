;; expect: timeout
;; Waits for a clock that is a century away.
(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (i32.store8 (i32.const 8) (i32.const 0)) ;; a clock
        (i32.store (i32.const 16) (i32.const 1)) ;; the monotonic one
        (i64.store (i32.const 24) (i64.const 3155760000000000000))
        (drop (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
        (i32.const 0)))
