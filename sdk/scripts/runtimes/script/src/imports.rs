//! The imports of module `wxec_v1`, as safe functions.

/// Reads what the host holds for this call, by its length and its reader.
fn pull(length: u32, read: unsafe extern "C" fn(u32, *mut u8, usize) -> u32) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    // SAFETY: the host writes no more than the buffer's length, to its beginning.
    let read = unsafe { read(0, bytes.as_mut_ptr(), bytes.len()) };
    bytes.truncate(read as usize);
    bytes
}

/// Reads the input of the call: its encoded arguments.
pub(crate) fn input() -> Vec<u8> {
    pull(wxec_v1::input_len(), wxec_v1::input_read)
}

/// Reads the reply to the last capability call.
pub(crate) fn reply() -> Vec<u8> {
    pull(wxec_v1::reply_len(), wxec_v1::reply_read)
}

/// Writes functions that give bytes to the host.
macro_rules! givers {
    ($($(#[$doc:meta])* $name:ident($import:ident) -> $returned:ty;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name(bytes: &[u8]) -> $returned {
            // SAFETY: the host only reads, and only from this slice.
            unsafe { wxec_v1::$import(bytes.as_ptr(), bytes.len()) }
        }
    )*};
}

givers! {
    /// Adds to the output of the call.
    write_output(output_write) -> ();
    /// Adds to the error output of the call.
    write_error(error_write) -> ();
    /// Tells the host of a panic.
    report_panic(panic) -> ();
    process_start(process_start) -> i32;
    stream_select(stream_select) -> i32;
    net_connect(net_connect) -> i32;
    net_lookup(net_lookup) -> i32;
    file_call(file_call) -> i32;
}

/// Adds the whole memory of the guest, up to `end`, to the output of the call.
pub(crate) fn write_memory(end: usize) {
    // SAFETY: the host only reads, within the guest's memory. Nothing of the guest runs meanwhile.
    unsafe { wxec_v1::output_write(std::ptr::null(), end) }
}

/// Reads to the beginning of `buffer`.
pub(crate) fn stream_read(stream: i32, buffer: &mut [u8]) -> i32 {
    // SAFETY: the host writes no more than the buffer's length, to its beginning.
    unsafe { wxec_v1::stream_read(stream, buffer.as_mut_ptr(), buffer.len()) }
}

/// Writes from the beginning of `bytes`.
pub(crate) fn stream_write(stream: i32, bytes: &[u8]) -> i32 {
    // SAFETY: the host only reads, and only from this slice.
    unsafe { wxec_v1::stream_write(stream, bytes.as_ptr(), bytes.len()) }
}

/// Logs `message`; 1 is an error, 5 a trace.
pub(crate) fn log_record(level: i32, target: &str, message: &str) {
    // SAFETY: the host only reads, and only from these texts.
    unsafe {
        wxec_v1::log_record(
            level,
            target.as_ptr(),
            target.len(),
            message.as_ptr(),
            message.len(),
        );
    }
}

/// Calls a task on another host.
pub(crate) fn host_call(question: &[u8], input: &[u8]) -> i32 {
    // SAFETY: the host only reads, and only from these slices.
    unsafe {
        wxec_v1::host_call(
            question.as_ptr(),
            question.len(),
            input.as_ptr(),
            input.len(),
        )
    }
}

pub(crate) use self::wxec_v1::{
    call_stream, cancelled, host_facts, net_shutdown, process_forget, process_kill,
    process_try_wait, process_wait, stream_close, stream_timeout,
};

/// The imports, as `wxec_protocol::abi` and the host define them.
mod wxec_v1 {
    #[link(wasm_import_module = "wxec_v1")]
    unsafe extern "C" {
        pub(super) safe fn input_len() -> u32;
        pub(super) fn input_read(offset: u32, buffer: *mut u8, length: usize) -> u32;
        pub(super) fn output_write(bytes: *const u8, length: usize);
        pub(super) fn error_write(bytes: *const u8, length: usize);
        pub(super) fn log_record(
            level: i32,
            target: *const u8,
            target_length: usize,
            message: *const u8,
            message_length: usize,
        );
        pub(super) fn panic(report: *const u8, length: usize);
        pub(super) safe fn reply_len() -> u32;
        pub(super) fn reply_read(offset: u32, buffer: *mut u8, length: usize) -> u32;
        pub(crate) safe fn cancelled() -> i32;

        pub(super) fn file_call(question: *const u8, length: usize) -> i32;
        pub(super) fn process_start(question: *const u8, length: usize) -> i32;
        pub(crate) safe fn process_wait(process: i32) -> i32;
        pub(crate) safe fn process_try_wait(process: i32) -> i32;
        pub(crate) safe fn process_kill(process: i32, signal: i32) -> i32;
        pub(crate) safe fn process_forget(process: i32) -> i32;
        pub(crate) safe fn call_stream(index: i32) -> i32;
        pub(super) fn stream_read(stream: i32, buffer: *mut u8, length: usize) -> i32;
        pub(super) fn stream_write(stream: i32, bytes: *const u8, length: usize) -> i32;
        pub(super) fn stream_select(question: *const u8, length: usize) -> i32;
        pub(crate) safe fn stream_timeout(stream: i32, direction: i32, ms: i64) -> i32;
        pub(crate) safe fn stream_close(stream: i32) -> i32;
        pub(super) fn net_connect(question: *const u8, length: usize) -> i32;
        pub(super) fn net_lookup(question: *const u8, length: usize) -> i32;
        pub(crate) safe fn net_shutdown(stream: i32, how: i32) -> i32;
        pub(crate) safe fn host_facts() -> i32;
        pub(super) fn host_call(
            question: *const u8,
            length: usize,
            input: *const u8,
            input_length: usize,
        ) -> i32;
    }
}
