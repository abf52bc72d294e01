//! How much memory bytes of somebody else's may cost.

use wxec_protocol::cbor::MAX_DEPTH;

/// Runs `decode`, which is given `received` bytes. Short messages become longer values, buffers grow by doubling, and
/// for a declared length serde reserves up to 1 MiB, once for each level of nesting.
pub fn takes_bounded_memory(received: usize, decode: impl FnOnce()) {
    let bound = 64 * received as u64 + ((MAX_DEPTH as u64) << 20);
    let taken = allocation_counter::measure(decode).bytes_max;
    assert!(taken < bound, "{taken} bytes for {received} received");
}
