// Wxecbuild builds a module of wxec from a Go program.
//
//	go tool wxecbuild -o words.wasm .
//
// Functions of the program and of its module's other packages that have the comment `//wxec:task`
// become tasks. The task's name is the path of the function: the last part of the Go module's path,
// the folders of the package, and the function's name in snake case, such as
// `words::stats::lengths`. `//wxec:task words::tally` gives it another one.
//
// `//wxec:wants read=/etc,/proc run=ls facts` declares what a task needs, which its caller may grant:
// read, write, run, env, net, host and ask with what they are for, facts and attributes alone.
//
// The exports are written to files that only the compiler sees; the program's folder stays as it is.
// The descriptions of the tasks go to a section of the module, where callers read them without
// running it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	output := flag.String("o", "", "write the module to this `file` (default: NAME.wasm)")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: wxecbuild [-o FILE] [PACKAGE]")
		flag.PrintDefaults()
	}
	flag.Parse()
	target := "."
	if flag.NArg() > 0 {
		target = flag.Arg(0)
	}
	if err := build(target, *output); err != nil {
		fmt.Fprintln(os.Stderr, "wxecbuild:", err)
		os.Exit(1)
	}
}

func build(target, output string) error {
	program, err := load(target)
	if err != nil {
		return err
	}
	if output == "" {
		output = program.name + ".wasm"
	}
	folder, err := os.MkdirTemp("", "wxecbuild")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	overlay, err := writeExports(program, folder)
	if err != nil {
		return err
	}
	module := filepath.Join(folder, "module.wasm")
	compiler := goCommand("build", "-overlay", overlay, "-buildmode=c-shared", "-trimpath",
		"-ldflags=-s -w", "-o", module, target)
	compiler.Stdout = os.Stderr
	if err := compiler.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	wasm, err := os.ReadFile(module)
	if err != nil {
		return err
	}
	section, err := descriptions(program)
	if err != nil {
		return err
	}
	return os.WriteFile(output, append(wasm, section...), 0o644)
}

// goCommand makes a command of the go tool that works for modules.
func goCommand(args ...string) *exec.Cmd {
	command := exec.Command("go", args...)
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	command.Stderr = os.Stderr
	return command
}

// writeExports writes the exports of each package, and the overlay by which the compiler finds them
// in the packages' folders.
func writeExports(program *program, folder string) (string, error) {
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	for i, pkg := range program.packages {
		file := filepath.Join(folder, fmt.Sprintf("exports%d.go", i))
		if err := os.WriteFile(file, exports(pkg), 0o644); err != nil {
			return "", err
		}
		overlay.Replace[filepath.Join(pkg.folder, "wxec_exports.go")] = file
	}
	encoded, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, "overlay.json")
	return file, os.WriteFile(file, encoded, 0o644)
}
