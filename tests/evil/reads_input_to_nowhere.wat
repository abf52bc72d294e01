;; expect: trap
;; Reads its input to beyond the end of its memory.
(module
    (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (drop (call $input_read (i32.const 0) (i32.const 65536) (i32.const 65536)))
        (i32.const 0)))
