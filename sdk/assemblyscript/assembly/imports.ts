// The imports of the guest ABI `wxec_v1`.

@external("wxec_v1", "input_len")
export declare function inputLen(): u32;
@external("wxec_v1", "input_read")
export declare function inputRead(offset: u32, buffer: usize, length: u32): u32;
@external("wxec_v1", "output_write")
export declare function outputWrite(bytes: usize, length: u32): void;
@external("wxec_v1", "error_write")
export declare function errorWrite(bytes: usize, length: u32): void;
@external("wxec_v1", "panic")
export declare function panicReport(bytes: usize, length: u32): void;
@external("wxec_v1", "log_record")
export declare function logRecord(level: i32, target: usize, targetLength: u32, message: usize, length: u32): void;
@external("wxec_v1", "cancelled")
export declare function isCancelled(): i32;
@external("wxec_v1", "reply_len")
export declare function replyLen(): u32;
@external("wxec_v1", "reply_read")
export declare function replyRead(offset: u32, buffer: usize, length: u32): u32;
@external("wxec_v1", "call_stream")
export declare function callStream(index: i32): i32;
@external("wxec_v1", "stream_read")
export declare function streamRead(stream: i32, buffer: usize, length: u32): i32;
@external("wxec_v1", "stream_write")
export declare function streamWrite(stream: i32, bytes: usize, length: u32): i32;
@external("wxec_v1", "stream_select")
export declare function streamSelect(question: usize, length: u32): i32;
@external("wxec_v1", "stream_close")
export declare function streamClose(stream: i32): i32;
@external("wxec_v1", "process_start")
export declare function processStart(question: usize, length: u32): i32;
@external("wxec_v1", "process_wait")
export declare function processWait(process: i32): i32;
@external("wxec_v1", "process_kill")
export declare function processKill(process: i32, signal: i32): i32;
@external("wxec_v1", "process_forget")
export declare function processForget(process: i32): i32;
@external("wxec_v1", "net_connect")
export declare function netConnect(question: usize, length: u32): i32;
@external("wxec_v1", "net_shutdown")
export declare function netShutdown(stream: i32, how: i32): i32;
@external("wxec_v1", "host_facts")
export declare function hostFacts(): i32;
@external("wxec_v1", "host_call")
export declare function hostCall(question: usize, length: u32, input: usize, inputLength: u32): i32;
