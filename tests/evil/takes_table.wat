;; expect: limit table
;; Grows a table until that is refused.
(module
    (memory (export "memory") 1)
    (table 1 funcref)
    (func (export "wx1_evil") (result i32)
        loop $more
            (br_if $more (i32.ne (table.grow (ref.null func) (i32.const 10000)) (i32.const -1)))
        end
        unreachable))
