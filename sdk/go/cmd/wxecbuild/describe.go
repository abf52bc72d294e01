package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"go/types"
	"reflect"
	"strings"

	"github.com/wxec/wxec/sdk/go/internal/cbor"
)

// function is the record of a task, as callers read it.
type function struct {
	Name       string
	Doc        string
	Parameters []parameter `cbor:"params"`
	Returns    string      `cbor:"ret"`
	Error      *string     `cbor:"err"`
	Wants      wants
}

type parameter struct {
	Name string
	Type string `cbor:"ty"`
}

// wants is what a task declares to need.
type wants struct {
	Read, Write, Run, Env, Net, Host, Ask []string
	Facts, Attributes                     bool
}

func parseWants(words []string) (wants, error) {
	var parsed wants
	lists := map[string]*[]string{
		"read": &parsed.Read, "write": &parsed.Write, "run": &parsed.Run, "env": &parsed.Env,
		"net": &parsed.Net, "host": &parsed.Host, "ask": &parsed.Ask,
	}
	for _, word := range words {
		kind, values, _ := strings.Cut(word, "=")
		switch list := lists[kind]; {
		case word == "facts":
			parsed.Facts = true
		case word == "attributes":
			parsed.Attributes = true
		case list == nil || values == "":
			return parsed, fmt.Errorf("%q is nothing that a task can want", word)
		default:
			*list = append(*list, strings.Split(values, ",")...)
		}
	}
	return parsed, nil
}

// descriptions returns the custom section with the records of all tasks.
func descriptions(program *program) ([]byte, error) {
	const name = "wxec.fn.v1"
	body := append([]byte{byte(len(name))}, name...)
	for _, pkg := range program.packages {
		for _, task := range pkg.tasks {
			record, err := record(task)
			if err != nil {
				return nil, err
			}
			body = binary.LittleEndian.AppendUint32(body, uint32(len(record)))
			body = append(body, record...)
		}
	}
	const custom = 0
	return append(binary.AppendUvarint([]byte{custom}, uint64(len(body))), body...), nil
}

func record(task *task) ([]byte, error) {
	described, err := describe(task)
	if err != nil {
		return nil, err
	}
	module := ""
	described.Name = task.path
	if end := strings.LastIndex(task.path, "::"); end >= 0 {
		module, described.Name = task.path[:end], task.path[end+2:]
	}
	return cbor.Marshal([]any{module, described})
}

func describe(task *task) (function, error) {
	described := function{Doc: task.doc, Parameters: []parameter{}, Wants: task.wants}
	for variable := range task.signature.Params().Variables() {
		name := parameterName(variable.Name())
		if name == "" || name == "_" {
			return described, errors.New("a parameter needs a name")
		}
		written, err := notation(variable.Type(), nil)
		if end, item := channelEnd(variable.Type()); item != nil {
			written, err = generic(end, item, nil)
		}
		if err != nil {
			return described, fmt.Errorf("parameter %s: %w", variable.Name(), err)
		}
		described.Parameters = append(described.Parameters, parameter{name, written})
	}
	var results []string
	list := task.signature.Results()
	for i := range list.Len() {
		result := list.At(i).Type()
		if i == list.Len()-1 && types.Identical(result, types.Universe.Lookup("error").Type()) {
			name := "error"
			described.Error = &name
			continue
		}
		notation, err := notation(result, nil)
		if item := sequence(result); item != nil && list.At(0).Type() == result {
			if notation, err = generic("Receiver", item, nil); err == nil && i > 0 {
				err = errors.New("a sequence is the only result")
			}
		}
		if err != nil {
			return described, fmt.Errorf("a result: %w", err)
		}
		results = append(results, notation)
	}
	described.Returns = strings.Join(results, ", ")
	if len(results) != 1 {
		described.Returns = "(" + described.Returns + ")"
	}
	return described, nil
}

// sequence returns the type of the items of an iter.Seq.
func sequence(t types.Type) types.Type {
	function, ok := t.Underlying().(*types.Signature)
	if !ok || function.Params().Len() != 1 || function.Results().Len() != 0 {
		return nil
	}
	yield, ok := function.Params().At(0).Type().Underlying().(*types.Signature)
	if !ok || yield.Params().Len() != 1 || yield.Results().Len() != 1 {
		return nil
	}
	return yield.Params().At(0).Type()
}

// notation writes a type as all SDKs do. Parents are the named types around it, which are known to
// be written already.
func notation(t types.Type, parents []*types.Named) (string, error) {
	t = types.Unalias(t)
	if _, item := channelEnd(t); item != nil {
		return "", errors.New("a channel is a parameter of its own")
	}
	if isText(t) {
		return "String", nil
	}
	named, isNamed := t.(*types.Named)
	for _, parent := range parents {
		if isNamed && parent == named {
			return named.Obj().Name(), nil
		}
	}
	if isNamed {
		parents = append(parents, named)
	}
	switch under := t.Underlying().(type) {
	case *types.Basic:
		return basic(under)
	case *types.Slice:
		if element, ok := under.Elem().Underlying().(*types.Basic); ok && element.Kind() == types.Uint8 {
			return "Bytes", nil
		}
		return generic("Vec", under.Elem(), parents)
	case *types.Array:
		item, err := notation(under.Elem(), parents)
		return fmt.Sprintf("[%s; %d]", item, under.Len()), err
	case *types.Map:
		key, err := notation(under.Key(), parents)
		if err != nil {
			return "", err
		}
		value, err := notation(under.Elem(), parents)
		return fmt.Sprintf("BTreeMap<%s, %s>", key, value), err
	case *types.Pointer:
		return generic("Option", under.Elem(), parents)
	case *types.Struct:
		return structure(under, named, parents)
	case *types.Interface:
		if under.NumMethods() == 0 {
			return "Value", nil
		}
	}
	return "", fmt.Errorf("a %s does not travel", t)
}

func generic(name string, item types.Type, parents []*types.Named) (string, error) {
	inner, err := notation(item, parents)
	return name + "<" + inner + ">", err
}

// structure names a record, and writes a tuple.
func structure(t *types.Struct, named *types.Named, parents []*types.Named) (string, error) {
	var fields []string
	isArray := false
	for i := range t.NumFields() {
		field, tag := t.Field(i), reflect.StructTag(t.Tag(i)).Get("cbor")
		isArray = isArray || field.Name() == "_" && tag == ",toarray"
		if !field.Exported() || tag == "-" {
			continue
		}
		inner, err := notation(field.Type(), parents)
		if err != nil {
			return "", fmt.Errorf("field %s: %w", field.Name(), err)
		}
		fields = append(fields, inner)
	}
	switch {
	case isArray || t.NumFields() == 0:
		return "(" + strings.Join(fields, ", ") + ")", nil
	case named != nil:
		return named.Obj().Name(), nil
	}
	return "Value", nil
}

func basic(t *types.Basic) (string, error) {
	switch t.Kind() {
	case types.Bool:
		return "bool", nil
	case types.String:
		return "String", nil
	case types.Int:
		return "i64", nil
	case types.Uint:
		return "u64", nil
	case types.Int8, types.Int16, types.Int32, types.Int64,
		types.Uint8, types.Uint16, types.Uint32, types.Uint64, types.Float32, types.Float64:
		kinds := strings.NewReplacer("uint", "u", "int", "i", "float", "f", "byte", "u8", "rune", "i32")
		return kinds.Replace(types.Typ[t.Kind()].Name()), nil
	}
	return "", fmt.Errorf("a %s does not travel", t)
}

// channelEnd returns the name and the item of a *wxec.Sender or *wxec.Receiver.
func channelEnd(t types.Type) (string, types.Type) {
	pointer, ok := t.(*types.Pointer)
	if !ok {
		return "", nil
	}
	named, ok := types.Unalias(pointer.Elem()).(*types.Named)
	if !ok || named.Obj().Pkg() == nil || named.Obj().Pkg().Path() != sdk || named.TypeArgs().Len() != 1 {
		return "", nil
	}
	return named.Obj().Name(), named.TypeArgs().At(0)
}

// isText returns true for types that travel as their text.
func isText(t types.Type) bool {
	if _, isPointer := t.(*types.Pointer); isPointer {
		return false
	}
	methods := types.NewMethodSet(types.NewPointer(t))
	return methods.Lookup(nil, "MarshalText") != nil && methods.Lookup(nil, "UnmarshalText") != nil
}
