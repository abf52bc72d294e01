package host

import "unsafe"

// The imports of the guest ABI `wxec_v1`.

//go:wasmimport wxec_v1 input_len
func inputLen() uint32

//go:wasmimport wxec_v1 input_read
//go:noescape
func inputRead(offset uint32, buffer *byte, length uint32) uint32

//go:wasmimport wxec_v1 output_write
//go:noescape
func outputWrite(bytes *byte, length uint32)

//go:wasmimport wxec_v1 error_write
//go:noescape
func errorWrite(bytes *byte, length uint32)

//go:wasmimport wxec_v1 panic
//go:noescape
func panicReport(bytes *byte, length uint32)

//go:wasmimport wxec_v1 log_record
//go:noescape
func logRecord(level int32, target *byte, targetLength uint32, message *byte, length uint32)

//go:wasmimport wxec_v1 cancelled
func cancelled() int32

//go:wasmimport wxec_v1 reply_len
func replyLen() uint32

//go:wasmimport wxec_v1 reply_read
//go:noescape
func replyRead(offset uint32, buffer *byte, length uint32) uint32

//go:wasmimport wxec_v1 call_stream
func callStream(index int32) int32

//go:wasmimport wxec_v1 stream_read
//go:noescape
func streamRead(stream int32, buffer *byte, length uint32) int32

//go:wasmimport wxec_v1 stream_write
//go:noescape
func streamWrite(stream int32, bytes *byte, length uint32) int32

//go:wasmimport wxec_v1 stream_select
//go:noescape
func streamSelect(question *byte, length uint32) int32

//go:wasmimport wxec_v1 stream_timeout
func streamTimeout(stream, direction int32, ms int64) int32

//go:wasmimport wxec_v1 stream_close
func streamClose(stream int32) int32

//go:wasmimport wxec_v1 process_start
//go:noescape
func processStart(question *byte, length uint32) int32

//go:wasmimport wxec_v1 process_wait
func processWait(process int32) int32

//go:wasmimport wxec_v1 process_kill
func processKill(process, signal int32) int32

//go:wasmimport wxec_v1 process_forget
func processForget(process int32) int32

//go:wasmimport wxec_v1 net_connect
//go:noescape
func netConnect(question *byte, length uint32) int32

//go:wasmimport wxec_v1 net_shutdown
func netShutdown(stream, how int32) int32

//go:wasmimport wxec_v1 host_facts
func hostFacts() int32

//go:wasmimport wxec_v1 host_call
//go:noescape
func hostCall(question *byte, length uint32, input *byte, inputLength uint32) int32

// trap ends the guest.
func trap()

func pointer(bytes []byte) *byte { return unsafe.SliceData(bytes) }
