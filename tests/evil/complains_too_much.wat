;; expect: limit output
;; Writes an error without end.
(module
    (import "wxec_v1" "error_write" (func $error_write (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        loop $more (call $error_write (i32.const 0) (i32.const 65536)) (br $more) end
        (i32.const 1)))
