;; expect: decode
;; A list that claims a trillion items, and in it a text that claims four billion letters.
(module
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\9b\00\00\00\ff\ff\ff\ff\ff\7a\ff\ff\ff\ff\61\61")
    (func (export "wx1_evil") (result i32)
        (call $output_write (i32.const 0) (i32.const 16))
        (i32.const 0)))
