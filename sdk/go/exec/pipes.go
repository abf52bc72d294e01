package exec

import (
	"errors"
	"io"

	"github.com/wxec/wxec/sdk/go/internal/host"
)

// Bytes that are moved at once: what a pipe holds.
const chunkBytes = 64 << 10

// pipes are those of one program that are open.
//
// A task has one thread. While it writes to a program, the program may write, and wait for a reader
// while the task waits for the program. So a write to the program also reads its outputs, and keeps
// what has no other place to go.
type pipes struct {
	stdin   *host.Stream
	outputs [2]*output
}

type output struct {
	stream host.Stream
	// to is where the bytes go; if it is nil, they are held for a reader.
	to    io.Writer
	held  []byte
	ended bool
}

func (p *pipes) connect(started host.ProcessStarted, c *Cmd) {
	p.stdin = started.Stdin
	if started.Stdout != nil {
		p.outputs[0] = &output{stream: *started.Stdout, to: c.Stdout}
	}
	if started.Stderr != nil {
		p.outputs[1] = &output{stream: *started.Stderr, to: c.Stderr}
	}
}

// finish gives the program its input, and takes those outputs that have a place to go.
func (p *pipes) finish(c *Cmd) error {
	if c.Stdin != nil && p.stdin != nil {
		_, err := io.CopyBuffer(&input{p}, struct{ io.Reader }{c.Stdin}, make([]byte, chunkBytes))
		// A program need not read all of its input.
		if err != nil && !errors.Is(err, host.ErrClosed) {
			return err
		}
	}
	if err := p.closeInput(); err != nil {
		return err
	}
	for {
		unread := p.unread(func(o *output) bool { return o.to != nil })
		if len(unread) == 0 {
			return nil
		}
		place, err := host.Select(nil, streams(unread))
		if err == nil {
			err = unread[place].take()
		}
		if err != nil {
			return err
		}
	}
}

func (p *pipes) closeInput() error {
	if p.stdin == nil {
		return nil
	}
	err := p.stdin.Close()
	p.stdin = nil
	return err
}

func (p *pipes) unread(wanted func(*output) bool) []*output {
	var unread []*output
	for _, output := range p.outputs {
		if output != nil && !output.ended && wanted(output) {
			unread = append(unread, output)
		}
	}
	return unread
}

func streams(outputs []*output) []host.Stream {
	streams := make([]host.Stream, len(outputs))
	for i, output := range outputs {
		streams[i] = output.stream
	}
	return streams
}

// take reads what is ready.
func (o *output) take() error {
	chunk := make([]byte, chunkBytes)
	length, err := o.stream.Read(chunk)
	if err == io.EOF {
		o.ended = true
		return o.stream.Close()
	}
	if err == nil && o.to != nil {
		_, err = o.to.Write(chunk[:length])
	} else {
		o.held = append(o.held, chunk[:length]...)
	}
	return err
}

// input is the writing end of a program's standard input.
type input struct{ *pipes }

func (i *input) Write(bytes []byte) (int, error) {
	written := 0
	for written < len(bytes) {
		if i.stdin == nil {
			return written, host.ErrClosed
		}
		unread := i.unread(func(*output) bool { return true })
		place, err := host.Select([]host.Stream{*i.stdin}, streams(unread))
		if err != nil {
			return written, err
		}
		// Place 0 is the input; the outputs follow.
		if place > 0 {
			if err := unread[place-1].take(); err != nil {
				return written, err
			}
			continue
		}
		length, err := i.stdin.WriteSome(bytes[written:])
		written += length
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func (i *input) Close() error { return i.closeInput() }

// reading is the reading end of one of the outputs.
type reading struct {
	*pipes
	place int
}

func (r *reading) Read(buffer []byte) (int, error) {
	output := r.outputs[r.place]
	if output == nil {
		return 0, io.EOF
	}
	if len(output.held) > 0 {
		length := copy(buffer, output.held)
		output.held = output.held[length:]
		return length, nil
	}
	if output.ended {
		return 0, io.EOF
	}
	return output.stream.Read(buffer)
}

func (r *reading) Close() error {
	output := r.outputs[r.place]
	r.outputs[r.place] = nil
	if output == nil || output.ended {
		return nil
	}
	return output.stream.Close()
}
