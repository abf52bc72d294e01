;; expect: timeout
;; Its constructors never end.
(module
    (memory (export "memory") 1)
    (func (export "_initialize") loop $more (br $more) end)
    (func (export "wx1_evil") (result i32) (i32.const 0)))
