//! The imports of module `wxec_v1`, as safe functions.

/// Reads the input of the call: its encoded arguments.
pub(super) fn input() -> Vec<u8> {
    let length = wxec_v1::input_len();
    let mut input = Vec::with_capacity(length as usize);
    // SAFETY: the pointer is valid for writes of `length` bytes, the vector's capacity. The host
    // writes at most that many, and says how many it wrote, so that all of `input[..read]` is
    // initialised.
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

/// Tells the host of a panic; `report` is the encoded `abi::Panic`.
pub(super) fn report_panic(report: &[u8]) {
    // SAFETY: the host only reads, and only from this slice.
    unsafe { wxec_v1::panic(report.as_ptr(), report.len()) }
}

/// Reads the reply to the last capability call.
pub(super) fn reply() -> Vec<u8> {
    let length = wxec_v1::reply_len();
    let mut reply = Vec::with_capacity(length as usize);
    // SAFETY: the pointer is valid for writes of `length` bytes, the vector's capacity. The host
    // writes at most that many, and says how many it wrote, so that all of `reply[..read]` is
    // initialised.
    unsafe {
        let read = wxec_v1::reply_read(0, reply.as_mut_ptr(), length as usize);
        assert_eq!(read, length, "the host holds the whole reply");
        reply.set_len(read as usize);
    }
    reply
}

/// Capability calls that take a question.
macro_rules! questions {
    ($($name:ident)*) => {$(
        pub(super) fn $name(question: &[u8]) -> i32 {
            // SAFETY: the host only reads, and only from this slice.
            unsafe { wxec_v1::$name(question.as_ptr(), question.len()) }
        }
    )*};
}

questions! {
    process_start stream_select net_connect net_lookup
    file_call
}

pub(super) use self::wxec_v1::{
    call_stream, cancelled, net_shutdown, process_forget, process_kill, process_try_wait,
    process_wait, stream_close, stream_timeout,
};

/// Reads to the beginning of `buffer`.
pub(super) fn stream_read(stream: i32, buffer: &mut [u8]) -> i32 {
    // SAFETY: the host writes no more than the buffer's length, to its beginning.
    unsafe { wxec_v1::stream_read(stream, buffer.as_mut_ptr(), buffer.len()) }
}

/// Writes from the beginning of `bytes`.
pub(super) fn stream_write(stream: i32, bytes: &[u8]) -> i32 {
    // SAFETY: the host only reads, and only from this slice.
    unsafe { wxec_v1::stream_write(stream, bytes.as_ptr(), bytes.len()) }
}

/// Logs `message`; 1 is an error, 5 a trace.
pub(super) fn log_record(level: i32, target: &str, message: &str) {
    // SAFETY: the host only reads, and only from these texts.
    unsafe {
        wxec_v1::log_record(
            level,
            target.as_ptr(),
            target.len(),
            message.as_ptr(),
            message.len(),
        )
    }
}

/// Calls a task on another host; `question` is an encoded `abi::HostCall`, `input` its arguments.
pub(super) fn host_call(question: &[u8], input: &[u8]) -> i32 {
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

pub(super) use self::wxec_v1::host_facts;

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
        pub(in super::super) safe fn cancelled() -> i32;
        pub(super) fn panic(report: *const u8, length: usize);
        pub(super) safe fn reply_len() -> u32;
        pub(super) fn reply_read(offset: u32, buffer: *mut u8, length: usize) -> u32;

        pub(super) fn file_call(question: *const u8, length: usize) -> i32;
        pub(super) fn process_start(question: *const u8, length: usize) -> i32;
        pub(in super::super) safe fn process_wait(process: i32) -> i32;
        pub(in super::super) safe fn process_try_wait(process: i32) -> i32;
        pub(in super::super) safe fn process_kill(process: i32, signal: i32) -> i32;
        pub(in super::super) safe fn process_forget(process: i32) -> i32;
        pub(in super::super) safe fn call_stream(index: i32) -> i32;
        pub(super) fn stream_read(stream: i32, buffer: *mut u8, length: usize) -> i32;
        pub(super) fn stream_write(stream: i32, bytes: *const u8, length: usize) -> i32;
        pub(super) fn stream_select(question: *const u8, length: usize) -> i32;
        pub(in super::super) safe fn stream_timeout(stream: i32, direction: i32, ms: i64) -> i32;
        pub(in super::super) safe fn stream_close(stream: i32) -> i32;
        pub(super) fn net_connect(question: *const u8, length: usize) -> i32;
        pub(super) fn net_lookup(question: *const u8, length: usize) -> i32;
        pub(in super::super) safe fn net_shutdown(stream: i32, how: i32) -> i32;
        pub(in super::super) safe fn host_facts() -> i32;
        pub(super) fn host_call(
            question: *const u8,
            length: usize,
            input: *const u8,
            input_length: usize,
        ) -> i32;
    }
}
