;; expect: decode
;; Reports success, but returns no value.
(module
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (i32.const 0)))
