package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/wxec/wxec/sdk/go/internal/cbor"
)

// program is what a module is built from.
type program struct {
	// name is the last part of the path of the Go module.
	name     string
	packages []*taskPackage
}

// taskPackage is a package that has tasks.
type taskPackage struct {
	name   string
	folder string
	tasks  []*task
}

// task is a function that becomes a task.
type task struct {
	path     string
	function string
	doc      string
	wants    wants
	// signature has the names and types of the parameters, and the types of the results.
	signature *types.Signature
}

// listed is a package as `go list` tells of it.
type listed struct {
	ImportPath, Name, Dir, Export string
	GoFiles                       []string
	ImportMap                     map[string]string
	Module                        *struct {
		Path string
		Main bool
	}
}

// load finds the tasks of a program: the package and all that it imports of its own module.
func load(target string) (*program, error) {
	packages, err := list(target)
	if err != nil {
		return nil, err
	}
	root := packages[len(packages)-1]
	if root.Name != "main" || root.Module == nil {
		return nil, fmt.Errorf("%s is no program in a Go module: it needs `package main` and a go.mod", root.ImportPath)
	}
	program := &program{name: path.Base(root.Module.Path)}
	exports := map[string]string{}
	for _, pkg := range packages {
		exports[pkg.ImportPath] = pkg.Export
	}
	for _, pkg := range packages {
		if pkg.Module == nil || pkg.Module.Path != root.Module.Path {
			continue
		}
		found, err := loadPackage(pkg, exports)
		if err != nil {
			return nil, err
		}
		if len(found.tasks) > 0 {
			program.packages = append(program.packages, found)
		}
	}
	return program, program.check()
}

// list returns the packages that a program consists of, itself last, with compiled exports.
func list(target string) ([]listed, error) {
	command := goCommand("list", "-deps", "-export",
		"-json=ImportPath,Name,Dir,Export,GoFiles,ImportMap,Module", target)
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []listed
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	for {
		var pkg listed
		switch err := decoder.Decode(&pkg); err {
		case nil:
			packages = append(packages, pkg)
		case io.EOF:
			if len(packages) == 0 {
				return nil, fmt.Errorf("%s is no package", target)
			}
			return packages, nil
		default:
			return nil, err
		}
	}
}

// loadPackage finds the tasks of a package. Checks its types only if it has any.
func loadPackage(pkg listed, exports map[string]string) (*taskPackage, error) {
	found := &taskPackage{name: pkg.Name, folder: pkg.Dir}
	files := token.NewFileSet()
	var parsed []*ast.File
	var functions []*ast.FuncDecl
	for _, name := range pkg.GoFiles {
		file, err := parser.ParseFile(files, filepath.Join(pkg.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, file)
		for _, declaration := range file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if ok && function.Doc != nil && directive(function.Doc, "task") != nil {
				functions = append(functions, function)
			}
		}
	}
	if len(functions) == 0 {
		return found, nil
	}
	lookup := func(imported string) (io.ReadCloser, error) {
		if mapped, ok := pkg.ImportMap[imported]; ok {
			imported = mapped
		}
		return os.Open(exports[imported])
	}
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}}
	config := types.Config{
		Importer: importer.ForCompiler(files, "gc", lookup),
		Sizes:    types.SizesFor("gc", "wasm"),
	}
	if _, err := config.Check(pkg.ImportPath, files, parsed, info); err != nil {
		return nil, err
	}
	var complaints []error
	for _, function := range functions {
		task, err := newTask(pkg, function, info)
		if err != nil {
			complaints = append(complaints, fmt.Errorf("%s: %w", files.Position(function.Pos()), err))
		}
		found.tasks = append(found.tasks, task)
	}
	return found, errors.Join(complaints...)
}

// directive returns the words behind `//wxec:NAME`, or nil if there is none.
func directive(doc *ast.CommentGroup, name string) []string {
	for _, comment := range doc.List {
		words := strings.Fields(comment.Text)
		if len(words) > 0 && words[0] == "//wxec:"+name {
			return append([]string{}, words[1:]...)
		}
	}
	return nil
}

func newTask(pkg listed, function *ast.FuncDecl, info *types.Info) (*task, error) {
	signature := info.Defs[function.Name].Type().(*types.Signature)
	if signature.Recv() != nil || signature.TypeParams() != nil || signature.Variadic() {
		return nil, errors.New("a task is a function without receiver, type parameters and `...`")
	}
	found := &task{
		path:      taskPath(pkg, function.Name.Name),
		function:  function.Name.Name,
		doc:       strings.TrimSpace(function.Doc.Text()),
		signature: signature,
	}
	if given := directive(function.Doc, "task"); len(given) > 0 {
		found.path = given[0]
	}
	var err error
	found.wants, err = parseWants(directive(function.Doc, "wants"))
	if err != nil {
		return nil, err
	}
	// Finds types that cannot travel while there is a position to tell.
	_, err = describe(found)
	return found, err
}

// taskPath returns the path that a function has without saying so.
func taskPath(pkg listed, function string) string {
	within := strings.TrimPrefix(pkg.ImportPath, pkg.Module.Path)
	return strings.ReplaceAll(path.Base(pkg.Module.Path)+within, "/", "::") + "::" + cbor.SnakeCase(function)
}

func (p *program) check() error {
	paths := map[string]bool{}
	for _, pkg := range p.packages {
		for _, task := range pkg.tasks {
			if paths[task.path] {
				return fmt.Errorf("two tasks have the path %s", task.path)
			}
			paths[task.path] = true
		}
	}
	if len(paths) == 0 {
		return errors.New("no function has the comment //wxec:task")
	}
	return nil
}
