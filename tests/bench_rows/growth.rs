//! Growth: the same call with more bytes, more calls at once, more hosts, a larger module. Each
//! figure is the best of some attempts, since load only adds to it.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use wxec::{Bytes, Fleet, Host, Limits, Module};

use crate::{
    jobs::{host, ms, tiny_call, warm_caches},
    options::Options,
    plot::{Line, Panel},
};

const ATTEMPTS: usize = 3;

/// Measures all panels, which takes minutes.
pub(crate) fn panels(options: &Options) -> Vec<Panel> {
    warm_caches();
    vec![
        payload(options),
        in_flight(options),
        hosts(options),
        module(options),
    ]
}

/// One argument, or one result, of 1 B to 256 MiB.
fn payload(options: &Options) -> Panel {
    let host = host();
    let limits = Limits {
        memory_bytes: 1 << 30,
        input_bytes: 512 << 20,
        output_bytes: 512 << 20,
        ..Limits::default()
    };
    let sizes = powers(1, 4, options.amount(256 << 20));
    let argument = |&size: &usize| {
        let payload = Bytes::from(vec![7; size]);
        best(|| {
            let call = faulty::length::on(&host, payload.clone()).limits(limits.clone());
            assert_eq!(call.wait().expect("it counts bytes"), size);
        })
    };
    let result = |&size: &usize| {
        best(|| {
            let blob = faulty::blob::on(&host, size).limits(limits.clone()).wait();
            assert_eq!(blob.expect("it makes bytes").len(), size);
        })
    };
    Panel {
        title: "One call over ssh, by the size of its payload".into(),
        axes: ["bytes".into(), "ms".into()],
        lines: vec![
            line("argument", &sizes, argument),
            line("result", &sizes, result),
        ],
    }
}

/// 1 to 1,000 calls under way at once.
fn in_flight(options: &Options) -> Panel {
    const CALLS: usize = 4000;
    let host = host();
    tiny_call(&host);
    let rate = |&window: &usize| {
        let calls = CALLS.min(window * 400);
        let took = best(|| {
            let futures = stream::iter(0..calls)
                .map(|_| words::count::on(&host, "to be".into()).into_future());
            pollster::block_on(futures.buffer_unordered(window).for_each(|counted| {
                assert_eq!(counted.expect("it counts words"), 2);
                std::future::ready(())
            }));
        });
        float(calls) / took * 1e3
    };
    Panel {
        title: "Calls over one connection, by their number in flight".into(),
        axes: ["calls in flight".into(), "calls/s".into()],
        lines: vec![line("calls/s", &tens(options.amount(1000)), rate)],
    }
}

/// 1 to 100 hosts, or 1,000 with `--long`.
fn hosts(options: &Options) -> Panel {
    let numbers = tens(options.amount(if options.is_long() { 1000 } else { 100 }));
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for &number in &numbers {
        let names: Vec<_> = (1..=number)
            .map(|number| format!("fleet{number}"))
            .collect();
        let fleet = Fleet::new(&names).expect("they are names");
        let call = || {
            let outcomes = words::count::on(&fleet, "to be".into()).wait();
            outcomes.into_result().expect("every host answers");
        };
        let start = Instant::now();
        call();
        cold.push((float(number), ms(start.elapsed())));
        warm.push((float(number), best(call)));
        fleet.close().wait();
    }
    let line = |name: &str, points| Line {
        name: name.into(),
        points,
    };
    Panel {
        title: "One call on each host, all of them this machine".into(),
        axes: ["hosts".into(), "ms".into()],
        lines: vec![line("cold", cold), line("warm", warm)],
    }
}

/// The first call of a module of 2 KB to 20 MB, on a connection that exists.
fn module(options: &Options) -> Panel {
    let sizes = powers(2_000, 10, options.amount(20_000_000));
    let first_call = |&size: &usize| {
        let module = module_of(size);
        // Compiles it.
        call_same(&Host::new("local:").expect("it is an address"), &module);
        let attempt = || {
            let host = host();
            host.connect().wait().expect("sshd is there");
            let time = call_same(&host, &module);
            host.close().wait();
            time
        };
        ms((0..ATTEMPTS)
            .map(|_| attempt())
            .min()
            .expect("there are some"))
    };
    Panel {
        title: "The first call of a module, by its size; already compiled".into(),
        axes: ["bytes of WebAssembly".into(), "ms".into()],
        lines: vec![line("first call over ssh", &sizes, first_call)],
    }
}

fn call_same(host: &Host, module: &Module) -> Duration {
    let start = Instant::now();
    let same = host.bind(module).call::<u32>("hand::same", &(7,)).wait();
    assert_eq!(same.expect("it gives it back"), 7);
    start.elapsed()
}

/// A module of about `bytes` bytes: a task that gives its argument back, and functions that nothing
/// calls.
fn module_of(bytes: usize) -> Module {
    const FUNCTIONS_BYTES: usize = 1000;
    // Twelve bytes: an operand of ten, and two operators.
    let operation = "i64.const 0x7123456789abcdef i64.xor ";
    let mut text = String::from(
        r#"(module
        (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
        (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
        (memory (export "memory") 1)
        (func (export "wx1_hand::same") (result i32)
            (call $output_write (i32.const 0)
                (call $input_read (i32.const 1) (i32.const 0) (i32.const 65536)))
            (i32.const 0))"#,
    );
    for number in 0..bytes / FUNCTIONS_BYTES {
        let operations = operation.repeat(FUNCTIONS_BYTES / 12);
        text.push_str(&format!(
            "(func (param i64) (result i64) (i64.const {number}) {operations})"
        ));
    }
    text.push(')');
    let wasm = wat::parse_str(text).expect("it is WebAssembly");
    Module::from_bytes("hand", wasm).expect("it is a module")
}

fn line(name: &str, sizes: &[usize], measure: impl Fn(&usize) -> f64) -> Line {
    Line {
        name: name.into(),
        points: sizes
            .iter()
            .map(|size| (float(*size), measure(size)))
            .collect(),
    }
}

/// Returns the shortest time of some attempts, in milliseconds.
fn best(attempt: impl Fn()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        attempt();
        start.elapsed()
    };
    ms((0..ATTEMPTS).map(time).min().expect("there are some"))
}

/// `first`, and each number that is `factor` times the one before, up to `most`.
fn powers(first: usize, factor: usize, most: usize) -> Vec<usize> {
    std::iter::successors(Some(first), |last| Some(last * factor))
        .take_while(|number| *number <= most)
        .collect()
}

/// 1, 3, 10, 30 and so on, up to `most`.
fn tens(most: usize) -> Vec<usize> {
    let steps = powers(1, 10, most)
        .into_iter()
        .flat_map(|power| [power, 3 * power]);
    steps.filter(|number| *number <= most).collect()
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("it is a small number"))
}
