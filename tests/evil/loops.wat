;; expect: timeout
;; Computes for ever.
(module
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        loop $more (br $more) end
        (i32.const 0)))
