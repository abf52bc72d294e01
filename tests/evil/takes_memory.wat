;; expect: limit memory
;; Grows its memory until that is refused, and gives up.
(module
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        loop $more
            (br_if $more (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))
        end
        unreachable))
