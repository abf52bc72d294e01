//! Any bytes as CBOR: no panic, bounded memory, a decoded value survives another round, and
//! splitting a value into items agrees with decoding it.
#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use ciborium::Value;
use libfuzzer_sys::fuzz_target;
use wxec_fuzz::takes_bounded_memory;
use wxec_protocol::{
    CallErrorKind,
    abi::{Panic, TaskFailure},
    cbor::{self, Form, Items},
};

fuzz_target!(|bytes: &[u8]| {
    takes_bounded_memory(bytes.len(), || {
        let _ = (
            cbor::items(bytes),
            cbor::decode::<Vec<(u64, String)>>(bytes),
        );
        let _ = (
            cbor::decode::<Panic>(bytes),
            cbor::decode::<TaskFailure>(bytes),
            cbor::decode::<CallErrorKind<TaskFailure>>(bytes),
        );
        let _ =
            cbor::decode_as::<BTreeMap<Option<u8>, Option<Option<Bytes>>>>(Form::Readable, bytes);
    });
    let mut value = None;
    takes_bounded_memory(bytes.len(), || value = cbor::decode::<Value>(bytes).ok());

    let shared = cbor::decode_shared::<Bytes>(Bytes::copy_from_slice(bytes));
    assert_eq!(shared, cbor::decode(bytes), "sharing makes a difference");

    let Some(value) = value else { return };
    // Big numbers have several encodings, and the first round may choose a shorter one.
    let recoded = |bytes: &[u8]| encoded(&cbor::decode(bytes).expect("our own CBOR"));
    let again = recoded(&encoded(&value));
    assert_eq!(recoded(&again), again, "{value:?}");
    if let (Value::Array(values), Ok(Items::Positional(items))) = (&value, cbor::items(bytes)) {
        let items = items
            .into_iter()
            .map(|item| cbor::decode(&bytes[item]).expect("an item of what decodes"));
        assert_eq!(
            encoded(&Value::Array(items.collect())),
            encoded(&Value::Array(values.clone()))
        );
    }
});

/// Encodes values to compare them: a NaN is not equal to itself.
fn encoded(value: &Value) -> Vec<u8> {
    cbor::encode(value).expect("values encode")
}
