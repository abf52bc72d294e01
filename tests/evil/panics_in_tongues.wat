;; expect: panic
;; Panics with bytes that are no panic record.
(module
    (import "wxec_v1" "panic" (func $panic (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (call $panic (i32.const 0) (i32.const 60000))
        unreachable))
