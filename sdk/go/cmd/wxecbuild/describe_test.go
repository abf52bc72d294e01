package main

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"
)

// signatures checks the functions of a package.
func signatures(t *testing.T, source string) map[string]*types.Signature {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "tasks.go", "package tasks\n"+source, 0)
	if err != nil {
		t.Fatal(err)
	}
	config := types.Config{Importer: importer.ForCompiler(files, "source", nil)}
	pkg, err := config.Check("tasks", files, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*types.Signature{}
	for _, name := range pkg.Scope().Names() {
		if function, ok := pkg.Scope().Lookup(name).(*types.Func); ok {
			found[name] = function.Signature()
		}
	}
	return found
}

func TestTypesAreWrittenAsInAllLanguages(t *testing.T) {
	found := signatures(t, `
import ("iter"; "time"; wxec "github.com/wxec/wxec/sdk/go")
type Point struct{ X, Y int64 }
type Tree struct{ Left, Right *Tree; Depth Depth }
type Depth uint8
type Word struct { _ struct{} `+"`cbor:\",toarray\"`"+`; Text string; Count int }
func A(a bool, b int, c uint, d int8, e byte, f rune, g float32, h string) {}
func B(userID []byte, b []Point, c map[string][]*int, d [2]Word, e any, f *Tree) (int64, string) { panic(0) }
func C(in *wxec.Receiver[Point], out *wxec.Sender[[]byte]) error { panic(0) }
func D(at time.Time) (Depth, error) { panic(0) }
func E() iter.Seq[int] { panic(0) }
func F(struct{}) (struct{}) { panic(0) }
`)
	for name, wanted := range map[string]string{
		"A": "(a: bool, b: i64, c: u64, d: i8, e: u8, f: i32, g: f32, h: String) ()",
		"B": "(user_id: Bytes, b: Vec<Point>, c: BTreeMap<String, Vec<Option<i64>>>, d: [(String, i64); 2], e: Value, f: Option<Tree>) (i64, String)",
		"C": "(in: Receiver<Point>, out: Sender<Bytes>) () error",
		"D": "(at: String) u8 error",
		"E": "() Receiver<i64>",
	} {
		described, err := describe(&task{signature: found[name]})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var parameters []string
		for _, parameter := range described.Parameters {
			parameters = append(parameters, parameter.Name+": "+parameter.Type)
		}
		written := "(" + strings.Join(parameters, ", ") + ") " + described.Returns
		if described.Error != nil {
			written += " " + *described.Error
		}
		if written != wanted {
			t.Errorf("%s: %s", name, written)
		}
	}
	if _, err := describe(&task{signature: found["F"]}); err == nil {
		t.Error("a parameter without a name is described")
	}
}

func TestTypesThatDoNotTravelAreRefused(t *testing.T) {
	found := signatures(t, `
import wxec "github.com/wxec/wxec/sdk/go"
func A(c chan int) {}
func B() (int, complex128) { panic(0) }
func C(f []func()) {}
func D(ends []*wxec.Sender[int]) {}
func E(fields struct{ Inner error }) {}
`)
	for name, wanted := range map[string]string{
		"A": "parameter c: a chan int does not travel",
		"B": "a result: a complex128 does not travel",
		"C": "parameter f: a func() does not travel",
		"D": "parameter ends: a channel is a parameter of its own",
		"E": "parameter fields: field Inner: a error does not travel",
	} {
		if _, err := describe(&task{signature: found[name]}); err == nil || err.Error() != wanted {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWantsAreRead(t *testing.T) {
	parsed, err := parseWants(strings.Fields("read=/etc,/proc run=ls facts"))
	if err != nil || len(parsed.Read) != 2 || parsed.Run[0] != "ls" || !parsed.Facts || parsed.Attributes {
		t.Errorf("%+v, %v", parsed, err)
	}
	for _, word := range []string{"reed=/etc", "read", "facts=all"} {
		if _, err := parseWants([]string{word}); err == nil {
			t.Errorf("%s is read", word)
		}
	}
}
