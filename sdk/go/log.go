package wxec

import (
	"bytes"
	"context"
	"log/slog"
	"strings"

	"github.com/wxec/wxec/sdk/go/internal/host"
)

// LevelTrace is the level of the most detailed records, below slog.LevelDebug.
const LevelTrace = slog.LevelDebug - 4

func init() {
	if insideModule {
		slog.SetDefault(slog.New(newHandler("")))
	}
}

// Logger returns a logger whose records have this target, by which the caller tells them apart. The
// default logger's target is the module of the task. The caller decides which records are shown.
func Logger(target string) *slog.Logger { return slog.New(newHandler(target)) }

// Log logs a message at a level of the host: 1 is an error, 5 a trace.
func Log(level int, target, message string) { host.Log(level, target, message) }

// handler hands records to the host. The text handler formats their attributes.
type handler struct {
	target string
	buffer *bytes.Buffer
	text   slog.Handler
}

func newHandler(target string) *handler {
	buffer := new(bytes.Buffer)
	withoutHead := func(groups []string, attribute slog.Attr) slog.Attr {
		isHead := attribute.Key == slog.TimeKey || attribute.Key == slog.LevelKey || attribute.Key == slog.MessageKey
		if len(groups) == 0 && isHead {
			return slog.Attr{}
		}
		return attribute
	}
	options := &slog.HandlerOptions{Level: LevelTrace, ReplaceAttr: withoutHead}
	return &handler{target, buffer, slog.NewTextHandler(buffer, options)}
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
	target := h.target
	if end := strings.LastIndex(current, "::"); target == "" && end > 0 {
		target = current[:end]
	}
	host.Log(hostLevel(record.Level), target, message)
	return nil
}

func hostLevel(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return 1
	case level >= slog.LevelWarn:
		return 2
	case level >= slog.LevelInfo:
		return 3
	case level >= slog.LevelDebug:
		return 4
	}
	return 5
}
