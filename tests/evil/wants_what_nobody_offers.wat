;; expect: bad module
;; Imports a function that no host has.
(module
    (import "wxec_v1" "become_root" (func $root))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (call $root)
        (i32.const 0)))
