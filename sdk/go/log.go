package wxec

import (
	"strings"

	"github.com/wxec/wxec/sdk/go/internal/host"
)

// Level is the severity of a log record.
type Level int

// The levels of the host.
const (
	LevelError Level = iota + 1
	LevelWarn
	LevelInfo
	LevelDebug
	LevelTrace
)

// Log logs a message. The target tells the caller where it comes from; if it is empty, it is the
// module of the task. The caller decides which records are shown.
//
// Package wxeclog does the same for log/slog, which makes a module 2 MB larger.
func Log(level Level, target, message string) {
	if end := strings.LastIndex(current, "::"); target == "" && end > 0 {
		target = current[:end]
	}
	host.Log(int(level), target, message)
}
