// Package tcp opens connections from the host. Each needs a grant for its place.
package tcp

import (
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/wxec/wxec/sdk/go/internal/host"
)

// Conn is a connection. While it waits, no goroutine of the task runs: a program that needs another
// one to write before it can read, such as net/http's transport, does not work with it.
type Conn struct {
	stream      host.Stream
	peer, local net.Addr
}

var _ net.Conn = (*Conn)(nil)

// Dial opens a connection to a place such as `example.org:443`. A timeout of 0 leaves it to the host.
func Dial(place string, timeout time.Duration) (*Conn, error) {
	name, service, err := net.SplitHostPort(place)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, &net.AddrError{Err: "the port is no number", Addr: place}
	}
	var timeoutMs *uint64
	if timeout > 0 {
		ms := uint64(timeout.Milliseconds())
		timeoutMs = &ms
	}
	stream, connected, err := host.Connect(name, uint16(port), timeoutMs)
	if err != nil {
		return nil, err
	}
	return &Conn{stream, address(connected.Peer), address(connected.Local)}, nil
}

func address(text string) net.Addr {
	parsed, err := netip.ParseAddrPort(text)
	if err != nil {
		return &net.TCPAddr{}
	}
	return net.TCPAddrFromAddrPort(parsed)
}

// Read waits until something came.
func (c *Conn) Read(buffer []byte) (int, error) { return c.stream.Read(buffer) }

// Write writes all of bytes.
func (c *Conn) Write(bytes []byte) (int, error) { return c.stream.Write(bytes) }

// Close closes the connection.
func (c *Conn) Close() error { return c.stream.Close() }

// CloseWrite tells the other end that nothing more follows.
func (c *Conn) CloseWrite() error { return c.stream.CloseWrite() }

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.peer }

// SetDeadline bounds how long reads and writes wait. The host counts from the start of each.
func (c *Conn) SetDeadline(deadline time.Time) error {
	if err := c.SetReadDeadline(deadline); err != nil {
		return err
	}
	return c.SetWriteDeadline(deadline)
}

// SetReadDeadline bounds how long each read waits.
func (c *Conn) SetReadDeadline(deadline time.Time) error {
	return c.stream.SetReadTimeout(until(deadline))
}

// SetWriteDeadline bounds how long each write waits.
func (c *Conn) SetWriteDeadline(deadline time.Time) error {
	return c.stream.SetWriteTimeout(until(deadline))
}

func until(deadline time.Time) time.Duration {
	if deadline.IsZero() {
		return -1
	}
	return max(time.Until(deadline), 0)
}
