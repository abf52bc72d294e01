;; expect: decode
;; Says that it failed, and not how.
(module
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (i32.const 1)))
