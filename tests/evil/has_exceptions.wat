;; expect: module
;; Exceptions are off.
(module (tag $e) (func (export "wx1_evil") (result i32) (throw $e)))
