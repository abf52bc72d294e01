;; expect: denied --allow-read=/etc/shadow
;; Tries to open the file of passwords, and gives up.
(module
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "etc/shadow")
    (func (export "wx1_evil") (result i32)
        (if (call $path_open (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 10) (i32.const 0)
            (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 64)) (then unreachable))
        (i32.const 0)))
