;; expect: trap
;; Reads a reply without having asked, and to an address that it does not have.
(module
    (import "wxec_v1" "reply_len" (func $reply_len (result i32)))
    (import "wxec_v1" "reply_read" (func $reply_read (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (if (call $reply_len) (then (return (i32.const 1))))
        (if (call $reply_read (i32.const 0) (i32.const 0) (i32.const 65536)) (then (return (i32.const 1))))
        (drop (call $reply_read (i32.const -1) (i32.const -1) (i32.const -1)))
        (i32.const 0)))
