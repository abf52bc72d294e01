;; expect: bad module
;; Imports a known name with another type.
(module
    (import "wxec_v1" "input_len" (func (param f64) (result f64)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        (i32.const 0)))
