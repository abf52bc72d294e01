// Conformance answers the test vectors that are the same for all SDKs.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/wxec/wxec/sdk/go"
	"github.com/wxec/wxec/sdk/go/exec"
)

func main() {}

// Add returns the sum of two numbers.
//
//wxec:task
func Add(a, b int64) int64 { return a + b }

//wxec:task
func Greet(name string) string { return "Hello, " + name + "!" }

//wxec:task
func Reverse(data []byte) []byte {
	reversed := make([]byte, len(data))
	for i, b := range data {
		reversed[len(data)-1-i] = b
	}
	return reversed
}

//wxec:task
func Scale(x, by float64) float64 { return x * by }

//wxec:task
func Negate(flag bool) bool { return !flag }

//wxec:task
func Sum(numbers []int64) (sum int64) {
	for _, number := range numbers {
		sum += number
	}
	return sum
}

//wxec:task
func Tally(words []string) map[string]uint64 {
	tally := map[string]uint64{}
	for _, word := range words {
		tally[word]++
	}
	return tally
}

//wxec:task
func First(numbers []int64) *int64 {
	if len(numbers) == 0 {
		return nil
	}
	return &numbers[0]
}

// Point is a place in a plane.
type Point struct{ X, Y int64 }

//wxec:task
func Swap(point Point) Point { return Point{point.Y, point.X} }

//wxec:task
func Pair(a string, b int64) (int64, string) { return b, a }

//wxec:task
func OrDefault(number *int64) int64 {
	if number == nil {
		return 42
	}
	return *number
}

//wxec:task
func Nothing() {}

// Failure is an error with a code.
type Failure struct {
	Code    int64
	message string
	cause   error
}

func (f *Failure) Error() string { return f.message }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.cause }

//wxec:task
func Fail(message string) error {
	return &Failure{Code: 7, message: message, cause: errors.New("because of the test")}
}

//wxec:task
func Crash(message string) { panic(message) }

//wxec:task
func Trap() { wxec.Trap() }

//wxec:task
func Say(level int64, message string) { wxec.Log(wxec.Level(level), "conformance", message) }

//wxec:task
func Print(message string) {
	fmt.Println(message)
	fmt.Fprintln(os.Stderr, message)
}

//wxec:task
func Total(numbers *wxec.Receiver[int64]) (total int64, err error) {
	for number := range numbers.All() {
		total += number
	}
	return total, numbers.Err()
}

//wxec:task
func CountTo(n int64, out *wxec.Sender[int64]) error {
	for i := range n {
		if err := out.Send(i + 1); err != nil {
			return err
		}
	}
	return nil
}

//wxec:task
func Double(numbers *wxec.Receiver[int64], out *wxec.Sender[int64]) error {
	for number := range numbers.All() {
		if err := out.Send(2 * number); err != nil {
			return err
		}
	}
	return numbers.Err()
}

//wxec:task
func UntilCancelled() {
	for !wxec.Cancelled() {
		time.Sleep(time.Millisecond)
	}
	wxec.Log(wxec.LevelInfo, "conformance", "cancelled")
}

//wxec:task
func Run(program string, arguments []string, input []byte) (int64, []byte, error) {
	command := exec.Command(program, arguments...)
	command.Stdin = bytes.NewReader(input)
	output, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return int64(exit.Code), output, nil
	}
	return 0, output, err
}

//wxec:task
func Read(path string) (string, error) {
	content, err := os.ReadFile(path)
	return string(content), err
}

//wxec:task
func Write(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }

//wxec:task
func Spin() {
	for {
	}
}

//wxec:task
func Hog() {
	var hoard [][]byte
	for {
		block := make([]byte, 1<<20)
		block[0] = 1
		hoard = append(hoard, block)
	}
}
