;; expect: trap
;; A result of 4 GiB, more than its memory has.
(module
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (call $output_write (i32.const 1) (i32.const -1))
        (i32.const 0)))
