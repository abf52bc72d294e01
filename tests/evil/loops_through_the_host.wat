;; expect: timeout
;; Asks the host for something harmless, for ever.
(module
    (import "wxec_v1" "cancelled" (func $cancelled (result i32)))
    (memory (export "memory") 1)
    (func (export "wx1_evil") (result i32)
        loop $more (drop (call $cancelled)) (br $more) end
        (i32.const 0)))
