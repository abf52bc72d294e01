;; expect: limit output
;; Writes a result without end.
(module
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (memory (export "memory") 16)
    (func (export "wx1_evil") (result i32)
        loop $more (call $output_write (i32.const 0) (i32.const 0x100000)) (br $more) end
        (i32.const 0)))
