//! Any bytes as the records of a module: no panic, bounded memory, and the functions read survive
//! being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wxec_fuzz::takes_bounded_memory;
use wxec_protocol::abi::{self, Function};

fuzz_target!(|bytes: &[u8]| {
    let mut functions = Vec::new();
    takes_bounded_memory(bytes.len(), || {
        functions = abi::functions(bytes).unwrap_or_default()
    });
    let records: Vec<u8> = functions
        .iter()
        .flat_map(|function| abi::record(module(function), function))
        .collect();
    assert_eq!(abi::functions(&records), Ok(functions));
});

fn module(function: &Function) -> &str {
    let before = function
        .path
        .strip_suffix(&function.name)
        .expect("a path ends in the name");
    before.strip_suffix("::").unwrap_or(before)
}
