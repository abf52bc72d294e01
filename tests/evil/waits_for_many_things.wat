;; expect: timeout
;; Waits for twenty thousand clocks at once, again and again.
(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 32)
    (func (export "wx1_evil") (result i32)
        (local $at i32)
        loop $fill
            (i32.store (i32.add (local.get $at) (i32.const 16)) (i32.const 1))
            (i64.store (i32.add (local.get $at) (i32.const 24)) (i64.const 3155760000000000000))
            (local.set $at (i32.add (local.get $at) (i32.const 48)))
            (br_if $fill (i32.lt_u (local.get $at) (i32.const 960000)))
        end
        loop $more
            (drop (call $poll_oneoff (i32.const 0) (i32.const 1048576) (i32.const 20000) (i32.const 1048568)))
            (br $more)
        end
        (i32.const 0)))
