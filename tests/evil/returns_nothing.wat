;; expect: decode
;; Says that all went well, and returns no value.
(module
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (i32.const 0)))
