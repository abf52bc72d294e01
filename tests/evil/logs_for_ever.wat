;; expect: timeout
;; Logs an empty text at a level that does not exist, again and again.
(module
    (import "wxec_v1" "log_record" (func $log_record (param i32 i32 i32 i32 i32)))
    (func $log (param i32 i32 i32)
        (call $log_record (local.get 0) (i32.const 0) (i32.const 0) (local.get 1) (local.get 2)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        loop $more (call $log (i32.const -1) (i32.const 0) (i32.const 0)) (br $more) end
        (i32.const 0)))
