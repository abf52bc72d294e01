package host

import (
	"errors"
	"io"
	"time"
)

// ErrClosed is the error of writing to a stream that the other side has closed.
var ErrClosed = errors.New("the other end is closed")

// Stream is a stream of bytes that the host has open for this call.
type Stream int32

// CallStream takes over a stream of the call, by its index.
func CallStream(index int32) (Stream, error) {
	handle, err := done(callStream(index))
	return Stream(handle), err
}

// LastStream is the index of the stream on which a task sends the items it returns.
const LastStream = -1

// Read waits until something came. Returns io.EOF at the end.
func (s Stream) Read(buffer []byte) (int, error) {
	if len(buffer) == 0 {
		return 0, nil
	}
	length, err := done(streamRead(int32(s), pointer(buffer), uint32(len(buffer))))
	if err == nil && length == 0 {
		err = io.EOF
	}
	return int(length), err
}

// WriteSome waits until there is room, and writes at least a byte.
func (s Stream) WriteSome(bytes []byte) (int, error) {
	length, err := done(streamWrite(int32(s), pointer(bytes), uint32(len(bytes))))
	var refusal *Error
	if errors.As(err, &refusal) && refusal.Kind == "BrokenPipe" {
		err = ErrClosed
	}
	return int(length), err
}

// Write writes all of bytes.
func (s Stream) Write(bytes []byte) (int, error) {
	written := 0
	for written < len(bytes) {
		length, err := s.WriteSome(bytes[written:])
		if err != nil {
			return written, err
		}
		written += length
	}
	return written, nil
}

// SetReadTimeout bounds how long a read waits. A negative time is no bound.
func (s Stream) SetReadTimeout(within time.Duration) error { return s.timeout(0, within) }

// SetWriteTimeout bounds how long a write waits. A negative time is no bound.
func (s Stream) SetWriteTimeout(within time.Duration) error { return s.timeout(1, within) }

func (s Stream) timeout(direction int32, within time.Duration) error {
	ms := int64(-1)
	if within >= 0 {
		ms = within.Milliseconds()
	}
	_, err := done(streamTimeout(int32(s), direction, ms))
	return err
}

// Close closes the stream.
func (s Stream) Close() error {
	_, err := done(streamClose(int32(s)))
	return err
}

// CloseWrite tells the other end of a connection that nothing more follows.
func (s Stream) CloseWrite() error {
	_, err := done(netShutdown(int32(s), 1))
	return err
}

// Select waits until one of the streams is ready, and returns its place: in write, followed by read.
func Select(write, read []Stream) (int, error) {
	place, err := ask(streamSelect, struct{ Write, Read []Stream }{write, read}, nil)
	return int(place), err
}

// Connected describes a connection.
type Connected struct{ Peer, Local string }

// Connect opens a connection.
func Connect(host string, port uint16, timeoutMs *uint64) (Stream, Connected, error) {
	question := struct {
		Host      string
		Port      uint16
		TimeoutMs *uint64
	}{host, port, timeoutMs}
	var connected Connected
	handle, err := ask(netConnect, question, &connected)
	return Stream(handle), connected, err
}
