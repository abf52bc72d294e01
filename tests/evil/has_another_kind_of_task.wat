;; expect: bad module
;; A task with other types of parameters and results.
(module (func (export "wx1_evil") (param i64) (result f32) (f32.const 0)))
