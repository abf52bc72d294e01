;; expect: module
;; Memories with 64 bits have other bounds checks, which are off.
(module
    (memory (export "memory") i64 1)
    (func (export "wx1_evil") (result i32)
        (i32.const 0)))
