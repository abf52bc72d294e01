;; expect: limit stack
;; Calls itself for ever.
(module
    (memory (export "memory") 1)
    (func $deeper (param i64) (result i64) (i64.add (call $deeper (local.get 0)) (i64.const 1)))
    (func (export "wx1_evil") (result i32) (drop (call $deeper (i64.const 0))) (i32.const 0)))
