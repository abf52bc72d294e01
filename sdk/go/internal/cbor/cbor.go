// Package cbor reads and writes CBOR as the functions of wxec exchange it: Go values by reflection,
// in the forms that other languages' SDKs use.
//
// A struct is a map by field names, or an array if it has a blank field tagged `cbor:",toarray"`. A
// field is named by its `cbor` tag, otherwise by its Go name in snake case; `cbor:"-"` leaves it out.
// A nil pointer is null. A type that implements [encoding.TextMarshaler] is a text. An interface is
// written as what it holds, an error as its text.
//
// Input comes from the other side: no declared length is believed, nesting is bounded, and memory
// grows only with bytes that are there.
package cbor

import (
	"encoding"
	"reflect"
	"strings"
	"sync"
	"unicode"
)

// MaxDepth is the largest number of nested arrays and maps, the same in all SDKs.
const MaxDepth = 128

// Bounds tags around one item. Each is a byte or more, so that this only limits useless work.
const maxTags = 512

// Marks a pointer to something that is itself written as null, so that it differs from nil.
const someTag = 122

const (
	majorUnsigned = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorOther
)

const (
	itemFalse     = 0xf4
	itemTrue      = 0xf5
	itemNull      = 0xf6
	itemUndefined = 0xf7
	itemBreak     = 0xff
)

var (
	errorType           = reflect.TypeFor[error]()
	textMarshalerType   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// Field is a field of a struct that travels.
type Field struct {
	Name  string
	Index int
}

// Fields are those of one struct type.
type Fields struct {
	List []Field
	// IsArray is true if the struct is written as an array, without names.
	IsArray bool
}

var fieldsByType sync.Map

// FieldsOf returns the fields of a struct type.
func FieldsOf(t reflect.Type) Fields {
	if known, ok := fieldsByType.Load(t); ok {
		return known.(Fields)
	}
	var fields Fields
	for i := range t.NumField() {
		field := t.Field(i)
		tag := field.Tag.Get("cbor")
		switch {
		case field.Name == "_":
			fields.IsArray = fields.IsArray || tag == ",toarray"
		case field.IsExported() && tag != "-":
			fields.List = append(fields.List, Field{FieldName(field.Name, tag), i})
		}
	}
	fieldsByType.Store(t, fields)
	return fields
}

// FieldName returns the name by which a field travels, from its Go name and its `cbor` tag.
func FieldName(name, tag string) string {
	if tag, _, _ = strings.Cut(tag, ","); tag != "" {
		return tag
	}
	return SnakeCase(name)
}

// SnakeCase converts a Go name: `HTTPPort` to `http_port`.
func SnakeCase(name string) string {
	letters := []rune(name)
	var snake strings.Builder
	for i, letter := range letters {
		if i > 0 && unicode.IsUpper(letter) && letters[i-1] != '_' {
			endsWord := !unicode.IsUpper(letters[i-1])
			endsInitials := i+1 < len(letters) && unicode.IsLower(letters[i+1])
			if endsWord || endsInitials {
				snake.WriteByte('_')
			}
		}
		snake.WriteRune(unicode.ToLower(letter))
	}
	return snake.String()
}
