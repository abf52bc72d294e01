;; expect: timeout
;; Fills its memory for ever; a bulk operation does not look at the clock before it ends.
(module
    (memory (export "memory") 1024)
    (func (export "wx1_evil") (result i32)
        loop $more (memory.fill (i32.const 0) (i32.const 7) (i32.const 0x4000000)) (br $more) end
        (i32.const 0)))
