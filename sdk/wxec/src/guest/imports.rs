//! The imports of module `wxec_v1`, as safe functions.

/// The input of the call: its encoded arguments.
pub(super) fn input() -> Vec<u8> {
    let length = wxec_v1::input_len();
    let mut input = Vec::with_capacity(length as usize);
    // SAFETY: the pointer is valid for writes of `length` bytes, the vector's capacity. The host writes at most that
    // many, and says how many it wrote, so that all of `input[..read]` is initialised.
    unsafe {
        let read = wxec_v1::input_read(0, input.as_mut_ptr(), length as usize);
        assert_eq!(read, length, "the host holds the whole input");
        input.set_len(read as usize);
    }
    input
}

/// Adds to the output of the call.
pub(super) fn write_output(bytes: &[u8]) {
    // SAFETY: the host only reads, and only from this slice.
    unsafe { wxec_v1::output_write(bytes.as_ptr(), bytes.len()) }
}

/// Adds to the error output of the call.
pub(super) fn write_error(bytes: &[u8]) {
    // SAFETY: the host only reads, and only from this slice.
    unsafe { wxec_v1::error_write(bytes.as_ptr(), bytes.len()) }
}

/// Tells the host of a panic, of which `report` is the encoded `abi::Panic`.
pub(super) fn report_panic(report: &[u8]) {
    // SAFETY: the host only reads, and only from this slice.
    unsafe { wxec_v1::panic(report.as_ptr(), report.len()) }
}

/// As `wxec_protocol::abi` and the host define them.
mod wxec_v1 {
    #[link(wasm_import_module = "wxec_v1")]
    unsafe extern "C" {
        pub(super) safe fn input_len() -> u32;
        pub(super) fn input_read(offset: u32, buffer: *mut u8, length: usize) -> u32;
        pub(super) fn output_write(bytes: *const u8, length: usize);
        pub(super) fn error_write(bytes: *const u8, length: usize);
        pub(super) fn panic(report: *const u8, length: usize);
    }
}
