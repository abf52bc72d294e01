//! A bound on the memory that a peer's bytes may cost.

use wxec_protocol::cbor::MAX_DEPTH;

/// Runs `decode`, which is given `received` bytes, and checks its memory. Decoded values are longer
/// than short messages, buffers grow by doubling, and serde reserves up to 1 MiB for a declared
/// length, once for each level of nesting.
pub fn takes_bounded_memory(received: usize, decode: impl FnOnce()) {
    let bound = 64 * received as u64 + ((MAX_DEPTH as u64) << 20);
    let taken = allocation_counter::measure(decode).bytes_max;
    assert!(taken < bound, "{taken} bytes for {received} received");
}
