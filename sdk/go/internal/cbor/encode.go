package cbor

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"sort"
	"unicode/utf8"
)

// Marshal encodes a value.
func Marshal(value any) ([]byte, error) {
	return Append(nil, reflect.ValueOf(value))
}

// Append encodes a value at the end of b.
func Append(b []byte, v reflect.Value) ([]byte, error) {
	return encode(b, v, 0)
}

// ArrayHead appends the head of an array.
func ArrayHead(b []byte, length int) []byte {
	return appendHead(b, majorArray, uint64(length))
}

func appendHead(b []byte, major byte, value uint64) []byte {
	switch {
	case value < 24:
		return append(b, major<<5|byte(value))
	case value <= math.MaxUint8:
		return append(b, major<<5|24, byte(value))
	case value <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major<<5|25), uint16(value))
	case value <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major<<5|26), uint32(value))
	default:
		return binary.BigEndian.AppendUint64(append(b, major<<5|27), value)
	}
}

func appendText(b []byte, text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return b, fmt.Errorf("the text %.40q is not UTF-8", text)
	}
	return append(appendHead(b, majorText, uint64(len(text))), text...), nil
}

func encode(b []byte, v reflect.Value, depth int) ([]byte, error) {
	if !v.IsValid() {
		return append(b, itemNull), nil
	}
	t := v.Type()
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		if v.IsNil() {
			return append(b, itemNull), nil
		}
		if t == errorType {
			return appendText(b, v.Interface().(error).Error())
		}
	}
	if t.Implements(textMarshalerType) {
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return b, err
		}
		return appendText(b, string(text))
	}
	switch t.Kind() {
	case reflect.Interface:
		return encode(b, v.Elem(), depth)
	case reflect.Pointer:
		return some(b, v.Elem(), depth)
	case reflect.Bool:
		if v.Bool() {
			return append(b, itemTrue), nil
		}
		return append(b, itemFalse), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if number := v.Int(); number < 0 {
			return appendHead(b, majorNegative, uint64(-1-number)), nil
		}
		return appendHead(b, majorUnsigned, uint64(v.Int())), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return appendHead(b, majorUnsigned, v.Uint()), nil
	case reflect.Float32:
		return binary.BigEndian.AppendUint32(append(b, 0xfa), math.Float32bits(float32(v.Float()))), nil
	case reflect.Float64:
		return binary.BigEndian.AppendUint64(append(b, 0xfb), math.Float64bits(v.Float())), nil
	case reflect.String:
		return appendText(b, v.String())
	}
	if depth >= MaxDepth {
		return b, tooDeep{}
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
			return append(appendHead(b, majorBytes, uint64(v.Len())), v.Bytes()...), nil
		}
		var err error
		b = ArrayHead(b, v.Len())
		for i := 0; i < v.Len() && err == nil; i++ {
			b, err = encode(b, v.Index(i), depth+1)
		}
		return b, err
	case reflect.Map:
		return mapping(b, v, depth)
	case reflect.Struct:
		return structure(b, v, depth)
	}
	return b, fmt.Errorf("a %s cannot be sent", t)
}

// some encodes what a pointer points to, and marks it if it would be read as nil.
func some(b []byte, v reflect.Value, depth int) ([]byte, error) {
	start := len(b)
	b, err := encode(b, v, depth)
	if content := b[start:]; err == nil &&
		(content[0] == itemNull || bytes.HasPrefix(content, []byte{0xd8, someTag})) {
		b = append(b[:start], append([]byte{0xd8, someTag}, content...)...)
	}
	return b, err
}

// mapping encodes a map in the order of its encoded keys, so that equal maps are equal bytes.
func mapping(b []byte, v reflect.Value, depth int) ([]byte, error) {
	type entry struct {
		key   []byte
		value reflect.Value
	}
	entries := make([]entry, 0, v.Len())
	for _, key := range v.MapKeys() {
		encoded, err := encode(nil, key, depth+1)
		if err != nil {
			return b, err
		}
		entries = append(entries, entry{encoded, v.MapIndex(key)})
	}
	sort.Slice(entries, func(i, j int) bool { return bytes.Compare(entries[i].key, entries[j].key) < 0 })
	b = appendHead(b, majorMap, uint64(len(entries)))
	var err error
	for _, entry := range entries {
		if b, err = encode(append(b, entry.key...), entry.value, depth+1); err != nil {
			break
		}
	}
	return b, err
}

func structure(b []byte, v reflect.Value, depth int) ([]byte, error) {
	fields := FieldsOf(v.Type())
	if v.NumField() == 0 {
		return append(b, itemNull), nil
	}
	var err error
	if fields.IsArray {
		b = ArrayHead(b, len(fields.List))
	} else {
		b = appendHead(b, majorMap, uint64(len(fields.List)))
	}
	for _, field := range fields.List {
		if !fields.IsArray {
			if b, err = appendText(b, field.Name); err != nil {
				return b, err
			}
		}
		if b, err = encode(b, v.Field(field.Index), depth+1); err != nil {
			return b, err
		}
	}
	return b, nil
}
