;; expect: trap
;; Has no memory that host calls could read from.
(module
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (func (export "wx1_evil") (result i32)
        (call $output_write (i32.const 0) (i32.const 0))
        (i32.const 0)))
