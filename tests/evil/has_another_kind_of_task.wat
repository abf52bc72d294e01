;; expect: bad module
;; A task that takes something and returns something else.
(module (func (export "wx1_evil") (param i64) (result f32) (f32.const 0)))
