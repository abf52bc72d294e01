;; expect: value
;; Logs more than is ever read, none of it text.
(module
    (import "wxec_v1" "log_record" (func $log_record (param i32 i32 i32 i32 i32)))
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (memory (export "memory") 1024)
    (func (export "wx1_evil") (result i32)
        (local $i i32)
        (memory.fill (i32.const 0) (i32.const 0xff) (i32.const 0x4000000))
        loop $more
            (call $log_record (i32.const 1) (i32.const 0) (i32.const 0x4000000) (i32.const 0) (i32.const 0x4000000))
            (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))
        end
        (i32.store8 (i32.const 0) (i32.const 0xf6))
        (call $output_write (i32.const 0) (i32.const 1))
        (i32.const 0)))
