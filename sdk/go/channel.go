package wxec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"reflect"
	"time"

	"github.com/wxec/wxec/sdk/go/internal/cbor"
	"github.com/wxec/wxec/sdk/go/internal/host"
)

// ErrClosed is the error of sending to a caller that has closed its end.
var ErrClosed = host.ErrClosed

// Both ends hold an item whole.
const maxItemBytes = 16 << 20

// Length of an item's head, its length in little endian.
const itemHeadBytes = 4

// channelEnd is a parameter that takes a stream of the call.
type channelEnd interface{ of(host.Stream) any }

// Receiver is the receiving end of a channel from the caller.
type Receiver[T any] struct {
	stream host.Stream
	// Bytes that have come and are not yet taken.
	pending []byte
	err     error
}

func (*Receiver[T]) of(stream host.Stream) any { return &Receiver[T]{stream: stream} }

// Receive waits for the next item. Returns io.EOF at the end.
func (r *Receiver[T]) Receive() (T, error) { return r.receive(-1) }

// ReceiveWithin waits so long for the next item. Returns an error that is
// os.ErrDeadlineExceeded if none came; a later call may get it.
func (r *Receiver[T]) ReceiveWithin(within time.Duration) (T, error) {
	return r.receive(max(within, 0))
}

// All iterates over the items until the end. Err tells if all of them came.
func (r *Receiver[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			item, err := r.Receive()
			if err != nil || !yield(item) {
				return
			}
		}
	}
}

// Err returns why no more items come, once that is so; nil if they have simply ended.
func (r *Receiver[T]) Err() error {
	if r.err == io.EOF {
		return nil
	}
	return r.err
}

// Close tells the caller that nothing more is received.
func (r *Receiver[T]) Close() error { return r.stream.Close() }

func (r *Receiver[T]) receive(within time.Duration) (item T, err error) {
	if r.err != nil {
		return item, r.err
	}
	encoded, err := r.next(within)
	if err == nil {
		err = cbor.Unmarshal(encoded, &item)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		r.err = err
	}
	return item, err
}

// next returns the bytes of the next item.
func (r *Receiver[T]) next(within time.Duration) ([]byte, error) {
	if err := r.stream.SetReadTimeout(within); err != nil {
		return nil, err
	}
	for {
		if item, err := takeItem(&r.pending); item != nil || err != nil {
			return item, err
		}
		start := len(r.pending)
		// A part is what a pipe holds.
		r.pending = append(r.pending, make([]byte, 64<<10)...)
		length, err := r.stream.Read(r.pending[start:])
		r.pending = r.pending[:start+length]
		if err == io.EOF && start > 0 {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
	}
}

// takeItem takes an item, if all of it is there.
func takeItem(pending *[]byte) ([]byte, error) {
	if len(*pending) < itemHeadBytes {
		return nil, nil
	}
	length := binary.LittleEndian.Uint32(*pending)
	if length > maxItemBytes {
		return nil, fmt.Errorf("an item of %d bytes, more than the %d allowed", length, maxItemBytes)
	}
	if uint32(len(*pending)-itemHeadBytes) < length {
		return nil, nil
	}
	item := (*pending)[itemHeadBytes : itemHeadBytes+length]
	*pending = (*pending)[itemHeadBytes+length:]
	return item, nil
}

// Sender is the sending end of a channel to the caller.
type Sender[T any] struct{ stream host.Stream }

func (*Sender[T]) of(stream host.Stream) any { return &Sender[T]{stream} }

// Send sends an item, and blocks while too many bytes wait for the caller. Returns ErrClosed if the
// caller takes no more.
func (s *Sender[T]) Send(item T) error { return sendItem(s.stream, reflect.ValueOf(&item).Elem()) }

// Close tells the caller that nothing more is sent.
func (s *Sender[T]) Close() error { return s.stream.Close() }

func sendItem(stream host.Stream, item reflect.Value) error {
	encoded, err := encodeItem(item)
	if err == nil {
		_, err = stream.Write(encoded)
	}
	return err
}

func encodeItem(item reflect.Value) ([]byte, error) {
	encoded, err := cbor.Append(make([]byte, itemHeadBytes), item)
	if err != nil {
		return nil, err
	}
	length := len(encoded) - itemHeadBytes
	if length > maxItemBytes {
		return nil, fmt.Errorf("an item of %d bytes, more than the %d allowed", length, maxItemBytes)
	}
	binary.LittleEndian.PutUint32(encoded, uint32(length))
	return encoded, nil
}

var errNoStream = errors.New("it returns a stream, and its caller takes none")

// sendAll sends the items of an iter.Seq, after a null which says that the function has returned.
// The stream stays open, so that its end tells the caller how the call ended.
func sendAll(sequence reflect.Value) error {
	stream, err := host.CallStream(host.LastStream)
	if err != nil {
		return errNoStream
	}
	err = sendItem(stream, reflect.Value{})
	if err == nil {
		for item := range sequence.Seq() {
			if err = sendItem(stream, item); err != nil {
				break
			}
		}
	}
	if err == ErrClosed {
		return nil
	}
	return err
}
