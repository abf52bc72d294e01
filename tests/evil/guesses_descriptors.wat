;; expect: value
;; Reads and closes the first thousand descriptors: the agent's own files are not among them.
(module
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\f6")
    (func (export "wx1_evil") (result i32)
        (local $fd i32)
        (local.set $fd (i32.const 3))
        (i32.store (i32.const 16) (i32.const 64))
        (i32.store (i32.const 20) (i32.const 64))
        loop $more
            (if (i32.eqz (call $fd_read (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24))) (then unreachable))
            (if (i32.eqz (call $fd_close (local.get $fd))) (then unreachable))
            (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $fd) (i32.const 1000)))
        end
        (call $output_write (i32.const 0) (i32.const 1))
        (i32.const 0)))
