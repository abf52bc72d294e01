package host

import "github.com/wxec/wxec/sdk/go/internal/cbor"

// ProcessStart says which program to start, and how.
type ProcessStart struct {
	Program  string
	Args     []string
	Env      []Variable
	ClearEnv bool
	Cwd      *string
	// Stdin, Stdout and Stderr are `null`, `piped` or `inherit`.
	Stdin, Stdout, Stderr string
}

// Variable is a change to a program's environment; without a value, the variable is removed.
type Variable struct {
	_     struct{} `cbor:",toarray"`
	Name  string
	Value *string
}

// ProcessStarted describes a process that was started. Streams are those that are piped.
type ProcessStarted struct {
	ID                    uint32 `cbor:"id"`
	Stdin, Stdout, Stderr *Stream
}

// ProcessEnd is the end of a process: one of the two.
type ProcessEnd struct{ Code, Signal *int32 }

// Process is the handle of a process.
type Process int32

// Start starts a program.
func Start(question ProcessStart) (Process, ProcessStarted, error) {
	var started ProcessStarted
	handle, err := ask(processStart, question, &started)
	return Process(handle), started, err
}

// Wait waits until the process has ended.
func (p Process) Wait() (ProcessEnd, error) {
	var end ProcessEnd
	if _, err := done(processWait(int32(p))); err != nil {
		return end, err
	}
	return end, cbor.Unmarshal(Reply(), &end)
}

// Kill sends a signal to the process.
func (p Process) Kill(signal int) error {
	_, err := done(processKill(int32(p), int32(signal)))
	return err
}

// Forget gives up the handle. The process runs on until the call ends.
func (p Process) Forget() { processForget(int32(p)) }
