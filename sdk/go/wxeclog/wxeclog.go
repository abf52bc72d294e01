// Package wxeclog hands the records of log/slog to the host. In a module, to import it makes the host
// the default of log/slog, and of log.
package wxeclog

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"strings"

	"github.com/wxec/wxec/sdk/go"
)

// LevelTrace is the level of the most detailed records, below slog.LevelDebug.
const LevelTrace = slog.LevelDebug - 4

func init() {
	if runtime.GOOS == "wasip1" {
		slog.SetDefault(Logger(""))
	}
}

// Logger returns a logger whose records have this target; for an empty one, the module of the task.
func Logger(target string) *slog.Logger {
	buffer := new(bytes.Buffer)
	options := &slog.HandlerOptions{Level: LevelTrace, ReplaceAttr: withoutHead}
	return slog.New(&handler{target, buffer, slog.NewTextHandler(buffer, options)})
}

// handler hands records to the host. The text handler formats their attributes.
type handler struct {
	target string
	buffer *bytes.Buffer
	text   slog.Handler
}

// withoutHead leaves out what the host is told apart.
func withoutHead(groups []string, attribute slog.Attr) slog.Attr {
	switch attribute.Key {
	case slog.TimeKey, slog.LevelKey, slog.MessageKey:
		if len(groups) == 0 {
			return slog.Attr{}
		}
	}
	return attribute
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &handler{h.target, h.buffer, h.text.WithAttrs(attributes)}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.target, h.buffer, h.text.WithGroup(name)}
}

func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	h.buffer.Reset()
	if err := h.text.Handle(ctx, record); err != nil {
		return err
	}
	message := record.Message
	if attributes := strings.TrimSpace(h.buffer.String()); attributes != "" {
		message += " " + attributes
	}
	wxec.Log(level(record.Level), h.target, message)
	return nil
}

func level(level slog.Level) wxec.Level {
	switch {
	case level >= slog.LevelError:
		return wxec.LevelError
	case level >= slog.LevelWarn:
		return wxec.LevelWarn
	case level >= slog.LevelInfo:
		return wxec.LevelInfo
	case level >= slog.LevelDebug:
		return wxec.LevelDebug
	}
	return wxec.LevelTrace
}
