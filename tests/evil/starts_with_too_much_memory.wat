;; expect: limit memory
;; Asks for 4 GiB before it begins.
(module
    (memory (export "memory") 65536)
    (func (export "wx1_evil") (result i32)
        (i32.const 0)))
