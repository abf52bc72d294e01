// Package host wraps the imports of the guest ABI `wxec_v1`.
package host

import (
	"io/fs"
	"os"

	"github.com/wxec/wxec/sdk/go/internal/cbor"
)

// Error is the host's reason to refuse something that a task asked for.
type Error struct {
	// Kind is its kind by the name in Rust's `ErrorKind`, such as `NotFound`.
	Kind string
	// Message tells people, and names the missing grant if that is the reason.
	Message string `cbor:"msg"`
}

func (e *Error) Error() string { return e.Message }

// Is makes errors.Is find the errors of package fs, and os.ErrDeadlineExceeded.
func (e *Error) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e.Kind == "NotFound"
	case fs.ErrPermission:
		return e.Kind == "PermissionDenied"
	case fs.ErrExist:
		return e.Kind == "AlreadyExists"
	case os.ErrDeadlineExceeded:
		return e.Kind == "TimedOut"
	}
	return false
}

// Input returns the encoded arguments of the call.
func Input() []byte {
	input := make([]byte, inputLen())
	return input[:inputRead(0, pointer(input), uint32(len(input)))]
}

// WriteOutput adds to the encoded value of the call.
func WriteOutput(bytes []byte) { outputWrite(pointer(bytes), uint32(len(bytes))) }

// WriteError adds to the error output of the call.
func WriteError(bytes []byte) { errorWrite(pointer(bytes), uint32(len(bytes))) }

// Panic is the record of a panic.
type Panic struct {
	Message string `cbor:"msg"`
	File    *string
	Line    uint32
	Column  uint32
}

// Die reports a panic to the host, and ends the guest.
func Die(report Panic) {
	record, err := cbor.Marshal(report)
	if err == nil {
		panicReport(pointer(record), uint32(len(record)))
	}
	trap()
}

// Trap ends the guest without a report.
func Trap() { trap() }

// Cancelled returns true if the caller no longer waits.
func Cancelled() bool { return cancelled() != 0 }

// Log logs a message; level 1 is an error, 5 a trace.
func Log(level int, target, message string) {
	targetBytes, messageBytes := []byte(target), []byte(message)
	logRecord(int32(level), pointer(targetBytes), uint32(len(targetBytes)),
		pointer(messageBytes), uint32(len(messageBytes)))
}

// Reply reads the reply to the last capability call.
func Reply() []byte {
	reply := make([]byte, replyLen())
	return reply[:replyRead(0, pointer(reply), uint32(len(reply)))]
}

// done returns the number that a capability call returned, or the reason why it was refused.
func done(number int32) (int32, error) {
	if number >= 0 {
		return number, nil
	}
	refusal := new(Error)
	if err := cbor.Unmarshal(Reply(), refusal); err != nil {
		return 0, err
	}
	return 0, refusal
}

// ask makes a capability call that takes a question. Reads its reply, unless that is nil.
func ask(call func(*byte, uint32) int32, question, reply any) (int32, error) {
	encoded, err := cbor.Marshal(question)
	if err != nil {
		return 0, err
	}
	number, err := done(call(pointer(encoded), uint32(len(encoded))))
	if err != nil || reply == nil {
		return number, err
	}
	return number, cbor.Unmarshal(Reply(), reply)
}

// Facts reads the facts of the host.
func Facts(reply any) error {
	if _, err := done(hostFacts()); err != nil {
		return err
	}
	return cbor.Unmarshal(Reply(), reply)
}

// Call asks the host to call a task elsewhere. Returns true if the task returned: the reply is then
// its value, otherwise a description of the failure.
func Call(question any, input []byte) (bool, error) {
	encoded, err := cbor.Marshal(question)
	if err != nil {
		return false, err
	}
	number, err := done(hostCall(pointer(encoded), uint32(len(encoded)), pointer(input), uint32(len(input))))
	return number == 0, err
}
