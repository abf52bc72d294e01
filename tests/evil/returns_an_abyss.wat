;; expect: decode
;; A million lists, each nested in another.
(module
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (memory (export "memory") 16)
    (func (export "wx1_evil") (result i32)
        (memory.fill (i32.const 0) (i32.const 0x81) (i32.const 1000000))
        (call $output_write (i32.const 0) (i32.const 1000000))
        (i32.const 0)))
