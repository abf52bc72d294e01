;; expect: module
;; Memories with 64 bits are off: they have other bounds checks.
(module
    (memory (export "memory") i64 1)
    (func (export "wx1_evil") (result i32)
        (i32.const 0)))
