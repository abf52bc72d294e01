;; expect: decode
;; Reports a failure, but no error.
(module
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (i32.const 1)))
