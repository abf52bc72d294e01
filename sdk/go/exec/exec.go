// Package exec runs programs of the host, as os/exec does. Each needs a grant.
package exec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/wxec/wxec/sdk/go/internal/host"
)

// Cmd is a program to run, or one that runs.
type Cmd struct {
	// Path is the program, by name or by path, spelled as in the grant.
	Path string
	// Args are its arguments, without its own name.
	Args []string
	// Env has variables to set, as `NAME=value`, in addition to those that the host gives.
	Env []string
	// ClearEnv leaves out the variables that the host gives.
	ClearEnv bool
	// Dir is its working directory, which the task must be granted to read.
	Dir string
	// Stdin is what it reads. Nil is nothing, os.Stdin the call's own input.
	Stdin io.Reader
	// Stdout and Stderr are where it writes. Nil is nowhere; os.Stdout and os.Stderr go to the caller
	// without passing through the task.
	Stdout, Stderr io.Writer

	// ID is its process id on the host, once it was started.
	ID uint32

	piped   [3]bool
	process *host.Process
	pipes   pipes
}

// ExitError is a program that ended without success.
type ExitError struct {
	// Code is its exit code, or -1 if a signal ended it.
	Code int
	// Signal is the signal that ended it, or 0.
	Signal int
	// Stderr is what it wrote, if Output collected it.
	Stderr []byte
}

func (e *ExitError) Error() string {
	if e.Signal != 0 {
		return fmt.Sprintf("signal: %d", e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// Command makes a command of a program and its arguments.
func Command(path string, args ...string) *Cmd { return &Cmd{Path: path, Args: args} }

// Run starts the program and waits until it has ended. Returns an *ExitError if it did not succeed.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the program and returns what it wrote to its standard output.
func (c *Cmd) Output() ([]byte, error) {
	var stdout, stderr bytes.Buffer
	c.Stdout = &stdout
	collects := c.Stderr == nil
	if collects {
		c.Stderr = &stderr
	}
	err := c.Run()
	var exit *ExitError
	if collects && errors.As(err, &exit) {
		exit.Stderr = stderr.Bytes()
	}
	return stdout.Bytes(), err
}

// CombinedOutput runs the program and returns what it wrote.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	err := c.Run()
	return output.Bytes(), err
}

// StdinPipe returns a writer to the program's standard input, to be used between Start and Wait. A
// write also reads what the program writes, so that neither waits for the other.
func (c *Cmd) StdinPipe() io.WriteCloser {
	c.piped[0] = true
	return &input{&c.pipes}
}

// StdoutPipe returns a reader of the program's standard output, to be used between Start and Wait.
func (c *Cmd) StdoutPipe() io.ReadCloser {
	c.piped[1] = true
	return &reading{&c.pipes, 0}
}

// StderrPipe returns a reader of the program's standard error, to be used between Start and Wait.
func (c *Cmd) StderrPipe() io.ReadCloser {
	c.piped[2] = true
	return &reading{&c.pipes, 1}
}

// Start starts the program.
func (c *Cmd) Start() error {
	if c.process != nil {
		return errors.New("the program was started already")
	}
	question := host.ProcessStart{
		Program:  c.Path,
		Args:     c.Args,
		ClearEnv: c.ClearEnv,
		Stdin:    kind(c.piped[0], c.Stdin != nil, c.Stdin == os.Stdin),
		Stdout:   kind(c.piped[1], c.Stdout != nil, c.Stdout == os.Stdout),
		Stderr:   kind(c.piped[2], c.Stderr != nil, c.Stderr == os.Stderr),
	}
	if c.Dir != "" {
		question.Cwd = &c.Dir
	}
	for _, variable := range c.Env {
		name, value, _ := strings.Cut(variable, "=")
		question.Env = append(question.Env, host.Variable{Name: name, Value: &value})
	}
	process, started, err := host.Start(question)
	if err != nil {
		return err
	}
	c.process, c.ID = &process, started.ID
	c.pipes.connect(started, c)
	return nil
}

func kind(isPipe, isSet, isOwn bool) string {
	switch {
	case isPipe || isSet && !isOwn:
		return "piped"
	case isOwn:
		return "inherit"
	}
	return "null"
}

// Wait gives the program its input and takes its output, and waits until it has ended. Returns an
// *ExitError if it did not succeed.
func (c *Cmd) Wait() error {
	if c.process == nil {
		return errors.New("the program was not started")
	}
	defer c.process.Forget()
	if err := c.pipes.finish(c); err != nil {
		return err
	}
	end, err := c.process.Wait()
	if err != nil {
		return err
	}
	return exitError(end)
}

func exitError(end host.ProcessEnd) error {
	switch {
	case end.Code != nil && *end.Code == 0:
		return nil
	case end.Code != nil:
		return &ExitError{Code: int(*end.Code)}
	case end.Signal != nil:
		return &ExitError{Code: -1, Signal: int(*end.Signal)}
	}
	return &ExitError{Code: -1}
}

// Signal sends a signal to the program, such as 15 to end it.
func (c *Cmd) Signal(signal int) error {
	if c.process == nil {
		return errors.New("the program was not started")
	}
	return c.process.Kill(signal)
}

// Kill ends the program by a signal that it cannot catch.
func (c *Cmd) Kill() error { return c.Signal(9) }
