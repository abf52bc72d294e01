;; expect: module
;; Shared memories are off.
(module
    (memory (export "memory") 1 1 shared)
    (func (export "wx1_evil") (result i32)
        (i32.const 0)))
