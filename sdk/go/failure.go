package wxec

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/wxec/wxec/sdk/go/internal/cbor"
	"github.com/wxec/wxec/sdk/go/internal/host"
)

// Error is the host's reason to refuse something: the grant that is missing, the file that is not
// there. errors.Is finds fs.ErrNotExist, fs.ErrPermission and their like in it.
type Error = host.Error

// Failure describes the error of a task to its caller.
//
// Its type is that of the first error in the chain that is no plain text, such as
// `words::TooLong` for the type TooLong of package main in the task `words::count`, and
// `io::fs::PathError`. If that type has exported fields, the error itself travels as well.
type Failure struct {
	Type    string
	Message string `cbor:"msg"`
	// Chain has the texts of the errors inside, unless the text around them has them already.
	Chain []string
	// Data is the encoded error.
	Data *[]byte
}

func (f *Failure) Error() string { return strings.Join(append([]string{f.Message}, f.Chain...), ": ") }

const (
	// More text than people read, and far below the 1 MiB that a host takes of an error.
	maxMessageBytes = 64 << 10
	// No real chain is as deep.
	maxChain = 32
	// With maxChain and the message, the texts stay below 200 KiB.
	maxSourceBytes = 4 << 10
	// Leaves room for the texts in the 1 MiB that a host takes of an error.
	maxDataBytes = 700 << 10
)

func encodeFailure(path string, err error) []byte {
	typed := typedError(err)
	failure := Failure{
		Type:    typeName(path, typed),
		Message: shorten(err.Error(), maxMessageBytes),
		Chain:   sources(err),
		Data:    encodeFields(typed),
	}
	encoded, err := cbor.Marshal(failure)
	if err != nil {
		// Texts that shorten has made valid always encode.
		panic(err)
	}
	return encoded
}

// typedError returns the first error of the chain whose type says something.
func typedError(err error) error {
	for inner := err; inner != nil; inner = unwrap(inner) {
		switch base(inner).PkgPath() {
		case "fmt", "errors":
		default:
			return inner
		}
	}
	return err
}

func base(err error) reflect.Type {
	t := reflect.TypeOf(err)
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// typeName returns the full name of an error's type. Package main is the crate of the task.
func typeName(path string, err error) string {
	t := base(err)
	place := t.PkgPath()
	if place == "main" {
		place, _, _ = strings.Cut(path, "::")
	}
	return strings.ReplaceAll(place, "/", "::") + "::" + t.Name()
}

// sources returns the texts of the errors inside, without those that the text around them ends with
// by Go's custom.
func sources(err error) []string {
	chain := []string{}
	outer := err.Error()
	for inner := unwrap(err); inner != nil && len(chain) < maxChain; inner = unwrap(inner) {
		text := inner.Error()
		if !strings.HasSuffix(outer, text) {
			chain = append(chain, shorten(text, maxSourceBytes))
		}
		outer = text
	}
	return chain
}

// unwrap returns the error inside, the first one of several.
func unwrap(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) > 0 {
		return joined.Unwrap()[0]
	}
	return errors.Unwrap(err)
}

// encodeFields encodes the exported fields of an error, if it has any.
func encodeFields(err error) *[]byte {
	value := reflect.Indirect(reflect.ValueOf(err))
	if value.Kind() != reflect.Struct || len(cbor.FieldsOf(value.Type()).List) == 0 {
		return nil
	}
	encoded, encodeErr := cbor.Append(nil, value)
	if encodeErr != nil || len(encoded) > maxDataBytes {
		return nil
	}
	return &encoded
}

// shorten makes a text valid, and cuts it to about max bytes.
func shorten(text string, max int) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if len(text) <= max {
		return text
	}
	for !utf8.RuneStart(text[max]) {
		max--
	}
	return text[:max] + "…"
}

// reportPanic tells the host of a panic, which ends the call. To be deferred.
func reportPanic() {
	cause := recover()
	if cause == nil {
		return
	}
	report := host.Panic{Message: shorten(fmt.Sprint(cause), maxMessageBytes)}
	if frame, ok := panicked(); ok {
		report.File, report.Line = &frame.File, uint32(frame.Line)
	}
	host.Die(report)
}

// panicked returns the place that panicked: the first one below the runtime's own functions.
func panicked() (runtime.Frame, bool) {
	// More than the runtime has between its panic and the place.
	var callers [32]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers[:])])
	inPanic := false
	for {
		frame, more := frames.Next()
		isRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if inPanic && !isRuntime {
			return frame, true
		}
		inPanic = inPanic || isRuntime
		if !more {
			return frame, false
		}
	}
}
