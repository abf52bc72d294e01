// Package wxec makes Go functions callable on other machines, each call in a sandbox of its own.
//
// A function becomes a task by a comment, and the tool wxecbuild builds the module:
//
//	package main
//
//	// Count counts the words of a text.
//	//
//	//wxec:task
//	func Count(text string) int { return len(strings.Fields(text)) }
//
//	func main() {}
//
// As a function of the Go module `example.org/words`, this is the task `words::count`.
//
// # Types
//
// Parameters and results are booleans, integers, floats, strings, []byte, slices, arrays, maps,
// structs, and types that implement [encoding.TextMarshaler] and [encoding.TextUnmarshaler]. A
// pointer is an optional value: an argument that is missing at the end is nil. Several results are a
// tuple. A last result of type error makes the task fail, see [Error].
//
// A struct travels as a map by field names: the `cbor` tag of a field, otherwise its name in snake
// case. With a field `_ struct{}` tagged `cbor:",toarray"` it travels as a tuple.
//
// A [*Receiver] or [*Sender] parameter is a channel to the caller. A result of type iter.Seq[T]
// sends its items to the caller when the function has returned.
//
// # Running
//
// A task has one thread. Goroutines take turns, but while one waits for the host (a channel to the
// caller, a program, a connection), none runs. When the task returns, they stop.
package wxec

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/wxec/wxec/sdk/go/internal/cbor"
	"github.com/wxec/wxec/sdk/go/internal/host"
)

// Result codes of a task's export.
const (
	statusOk           = 0
	statusFailed       = 1
	statusBadArguments = 2
	statusInternal     = 3
)

// Path of the task that runs, such as `words::stats::lengths`.
var current string

// Run runs a task on the input of the call, and returns its status to the host. It is the body of a
// task's export, which wxecbuild writes; by hand it is
//
//	//go:wasmexport wx1_words::count
//	func export() int32 { return wxec.Run("words::count", Count, "text") }
func Run(path string, task any, parameters ...string) int32 {
	defer reportPanic()
	current = path
	status, output := answer(path, reflect.ValueOf(task), parameters, host.Input())
	if status == statusOk {
		host.WriteOutput(output)
	} else {
		host.WriteError(output)
	}
	return status
}

// Cancelled returns true if the caller no longer waits. A host may also end a cancelled call at
// once.
func Cancelled() bool { return host.Cancelled() }

// Trap ends the call at once, without a message.
func Trap() { host.Trap() }

// answer calls a task, and returns its status with its encoded value or error.
func answer(path string, task reflect.Value, parameters []string, input []byte) (int32, []byte) {
	arguments, err := decodeArguments(task.Type(), parameters, input)
	if err != nil {
		return statusBadArguments, []byte(shorten(err.Error(), maxMessageBytes))
	}
	results := task.Call(arguments)
	if last := len(results) - 1; last >= 0 && task.Type().Out(last) == reflect.TypeFor[error]() {
		if err, failed := results[last].Interface().(error); failed {
			return statusFailed, encodeFailure(path, err)
		}
		results = results[:last]
	}
	output, err := encodeResults(results)
	if err == errNoStream {
		return statusBadArguments, []byte(err.Error())
	}
	if err != nil {
		return statusInternal, []byte("the value cannot be sent: " + err.Error())
	}
	return statusOk, output
}

func encodeResults(results []reflect.Value) ([]byte, error) {
	switch {
	case len(results) == 0:
		return cbor.Null, nil
	case len(results) == 1 && results[0].Kind() == reflect.Func:
		return cbor.Null, sendAll(results[0])
	case len(results) == 1:
		return cbor.Append(nil, results[0])
	}
	output := cbor.ArrayHead(nil, len(results))
	var err error
	for _, result := range results {
		if output, err = cbor.Append(output, result); err != nil {
			break
		}
	}
	return output, err
}

// decodeArguments decodes the arguments of a task of type t.
func decodeArguments(t reflect.Type, parameters []string, input []byte) ([]reflect.Value, error) {
	given, err := cbor.Split(input)
	if err != nil {
		return nil, fmt.Errorf("the arguments cannot be read: %w", err)
	}
	if given.Names == nil && len(given.Items) > len(parameters) {
		return nil, fmt.Errorf("%d arguments are given, but only %d taken: (%s)",
			len(given.Items), len(parameters), strings.Join(parameters, ", "))
	}
	items := make([][]byte, len(parameters))
	copy(items, given.Items)
	if given.Names != nil {
		if items, err = byName(given, parameters); err != nil {
			return nil, err
		}
	}
	arguments := make([]reflect.Value, len(parameters))
	for i, name := range parameters {
		arguments[i] = reflect.New(t.In(i)).Elem()
		if err := decodeArgument(name, items[i], arguments[i]); err != nil {
			return nil, err
		}
	}
	return arguments, nil
}

func byName(given cbor.Arguments, parameters []string) ([][]byte, error) {
	items := make([][]byte, len(parameters))
	for i, name := range given.Names {
		place := -1
		for j, parameter := range parameters {
			if parameter == name {
				place = j
			}
		}
		if place < 0 {
			return nil, fmt.Errorf("no parameter is named `%s`: (%s)", name, strings.Join(parameters, ", "))
		}
		if items[place] != nil {
			return nil, fmt.Errorf("argument `%s` is given twice", name)
		}
		items[place] = given.Items[i]
	}
	return items, nil
}

func decodeArgument(name string, item []byte, argument reflect.Value) error {
	isMissing := item == nil
	if isMissing {
		item = cbor.Null
	}
	err := decodeValue(item, argument)
	if err == nil {
		return nil
	}
	mismatch, ok := err.(*cbor.Mismatch)
	if !ok {
		return fmt.Errorf("argument `%s`: %w", name, err)
	}
	if isMissing {
		return fmt.Errorf("argument `%s`: expected %s, but it is missing", name, mismatch.Expected)
	}
	return fmt.Errorf("argument `%s%s`: expected %s, found %s", name, mismatch.Path, mismatch.Expected, mismatch.Found)
}

// decodeValue decodes an argument: the index of a stream, or a value.
func decodeValue(item []byte, argument reflect.Value) error {
	end, ok := argument.Interface().(channelEnd)
	if !ok {
		return cbor.Decode(item, argument)
	}
	var index uint32
	if err := cbor.Unmarshal(item, &index); err != nil {
		return err
	}
	stream, err := host.CallStream(int32(index))
	if err == nil {
		argument.Set(reflect.ValueOf(end.of(stream)))
	}
	return err
}
