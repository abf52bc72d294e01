;; expect: timeout
;; Logs an empty text at a level that does not exist, again and again.
(module
    (import "wxec_v1" "log" (func $log (param i32 i32 i32)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        loop $more (call $log (i32.const -1) (i32.const 0) (i32.const 0)) (br $more) end
        (i32.const 0)))
