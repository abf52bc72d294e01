;; expect: timeout
;; Asks again and again for as many random bytes as it has memory; the host has to make them all.
(module
    (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
    (memory (export "memory") 1024)
    (func (export "wx1_evil") (result i32)
        (loop $again
            (if (call $random_get (i32.const 0) (i32.const 0x4000000)) (then unreachable))
            (br $again))
        unreachable))
