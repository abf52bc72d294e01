;; expect: bad module
;; Returns a status that does not exist.
(module
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (i32.const 1717)))
