;; expect: decode
;; Nested lists of indefinite length that never end.
(module
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (memory.fill (i32.const 1) (i32.const 0x9f) (i32.const 60000))
        (i32.store8 (i32.const 0) (i32.const 0x9f))
        (call $output_write (i32.const 0) (i32.const 60000))
        (i32.const 0)))
