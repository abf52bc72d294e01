;; expect: value
;; Traps if its memory is not empty, and then writes all over it: the next call must not see that.
(module
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (memory (export "memory") 32)
    (func (export "wx1_evil") (result i32)
        (local $at i32)
        loop $look
            (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $look (i32.lt_u (local.get $at) (i32.const 0x200000)))
        end
        (memory.fill (i32.const 0) (i32.const 0x5a) (i32.const 0x200000))
        (i32.store8 (i32.const 0) (i32.const 0xf6))
        (call $output_write (i32.const 0) (i32.const 1))
        (i32.const 0)))
