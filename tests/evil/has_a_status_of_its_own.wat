;; expect: bad module
;; No status has this number.
(module
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (i32.const 1717)))
