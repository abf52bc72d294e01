;; expect: timeout
;; Prints escape sequences to stdout, again and again.
(module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "\1b]52;c;ZXZpbA==\07\1b[2J\r")
    (func (export "wx1_evil") (result i32)
        (i32.store (i32.const 0) (i32.const 16))
        (i32.store (i32.const 4) (i32.const 4096))
        loop $more (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br $more) end
        (i32.const 0)))
