;; expect: timeout
;; Its start function never ends.
(module
    (memory (export "memory") 1)
    (func $start loop $more (br $more) end)
    (start $start)
    (func (export "wx1_evil") (result i32) (i32.const 0)))
