;; expect: trap
;; A result that begins inside its memory, and ends outside.
(module
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (call $output_write (i32.const 65535) (i32.const 2))
        (i32.const 0)))
