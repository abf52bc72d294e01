package cbor

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
)

// Null is the encoded null, which stands for a missing argument.
var Null = []byte{itemNull}

// Mismatch is a well-formed value of another type than the wanted one.
type Mismatch struct {
	// Path leads to the value, such as `.shapes[2].width`.
	Path     string
	Expected string
	Found    string
}

func (m *Mismatch) Error() string {
	reason := fmt.Sprintf("expected %s, found %s", m.Expected, m.Found)
	if m.Path != "" {
		return fmt.Sprintf("at `%s`: %s", m.Path, reason)
	}
	return reason
}

// Unmarshal decodes one value that takes up all of input into what target points to.
func Unmarshal(input []byte, target any) error {
	return Decode(input, reflect.ValueOf(target).Elem())
}

// Decode decodes one value that takes up all of input into target, which can be set.
func Decode(input []byte, target reflect.Value) error {
	r := &reader{bytes: input}
	if err := r.decode(target, 0); err != nil {
		return err
	}
	return r.end()
}

// within adds a step to the path of a mismatch.
func within(err error, step string) error {
	if mismatch, ok := err.(*Mismatch); ok {
		mismatch.Path = step + mismatch.Path
	}
	return err
}

func (r *reader) decode(v reflect.Value, depth int) error {
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		return r.pointer(v, depth)
	}
	if t.Kind() == reflect.Interface {
		return r.any(v, depth)
	}
	h, err := r.untagged()
	if err != nil {
		return err
	}
	if reflect.PointerTo(t).Implements(textUnmarshalerType) {
		return r.unmarshalText(h, v)
	}
	switch t.Kind() {
	case reflect.Bool:
		if h.first != itemFalse && h.first != itemTrue {
			return r.mismatch(h, "bool")
		}
		v.SetBool(h.first == itemTrue)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		number, ok := h.integer()
		if !ok || v.OverflowInt(number) {
			return r.mismatch(h, NumberName(t.Kind()))
		}
		v.SetInt(number)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if h.major != majorUnsigned || h.indefinite || v.OverflowUint(h.value) {
			return r.mismatch(h, NumberName(t.Kind()))
		}
		v.SetUint(h.value)
	case reflect.Float32, reflect.Float64:
		number, ok := h.float()
		if !ok {
			return r.mismatch(h, NumberName(t.Kind()))
		}
		v.SetFloat(number)
	case reflect.String:
		if h.major != majorText {
			return r.mismatch(h, "a text")
		}
		text, err := r.text(h)
		v.SetString(text)
		return err
	case reflect.Slice:
		return r.slice(h, v, depth)
	case reflect.Array:
		return r.array(h, v.Len(), func(i int) reflect.Value { return v.Index(i) }, depth)
	case reflect.Map:
		return r.mapping(h, v, depth)
	case reflect.Struct:
		fields := FieldsOf(t)
		if fields.IsArray {
			field := func(i int) reflect.Value { return v.Field(fields.List[i].Index) }
			return r.array(h, len(fields.List), field, depth)
		}
		if len(fields.List) == 0 && (h.first == itemNull || h.first == itemUndefined) {
			return nil
		}
		return r.structure(h, v, fields, depth)
	default:
		return fmt.Errorf("a %s cannot be received", t)
	}
	return nil
}

func (r *reader) pointer(v reflect.Value, depth int) error {
	if next := r.peek(); next == itemNull || next == itemUndefined {
		r.at++
		v.SetZero()
		return nil
	}
	if r.at+1 < len(r.bytes) && r.bytes[r.at] == 0xd8 && r.bytes[r.at+1] == someTag {
		r.at += 2
	}
	target := reflect.New(v.Type().Elem())
	v.Set(target)
	return r.decode(target.Elem(), depth)
}

func (r *reader) unmarshalText(h head, v reflect.Value) error {
	if h.major != majorText {
		return r.mismatch(h, "a text")
	}
	text, err := r.text(h)
	if err != nil {
		return err
	}
	if v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)) != nil {
		return &Mismatch{Expected: "a " + v.Type().String(), Found: strconv.Quote(text)}
	}
	return nil
}

func (r *reader) slice(h head, v reflect.Value, depth int) error {
	isBytes := v.Type().Elem().Kind() == reflect.Uint8
	if isBytes && h.major == majorBytes {
		content, err := r.string(h)
		v.SetBytes(append([]byte{}, content...))
		return err
	}
	if h.major != majorArray {
		if isBytes {
			return r.mismatch(h, "bytes")
		}
		return r.mismatch(h, "an array")
	}
	items, err := r.open(h, depth)
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for err == nil && items.next(&err) {
		length := v.Len()
		v.Grow(1)
		v.SetLen(length + 1)
		v.Index(length).SetZero()
		err = within(r.decode(v.Index(length), depth+1), fmt.Sprintf("[%d]", length))
	}
	return err
}

// array decodes exactly so many items.
func (r *reader) array(h head, length int, item func(int) reflect.Value, depth int) error {
	expected := fmt.Sprintf("an array of %d items", length)
	if h.major != majorArray {
		return r.mismatch(h, expected)
	}
	items, err := r.open(h, depth)
	count := 0
	for err == nil && items.next(&err) {
		if count == length {
			return &Mismatch{Expected: expected, Found: "more"}
		}
		err = within(r.decode(item(count), depth+1), fmt.Sprintf("[%d]", count))
		count++
	}
	if err == nil && count < length {
		err = &Mismatch{Expected: expected, Found: fmt.Sprintf("one of %d", count)}
	}
	return err
}

func (r *reader) mapping(h head, v reflect.Value, depth int) error {
	if h.major != majorMap {
		return r.mismatch(h, "a map")
	}
	t := v.Type()
	v.Set(reflect.MakeMap(t))
	items, err := r.open(h, depth)
	for err == nil && items.next(&err) {
		key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		if err = r.decode(key, depth+1); err != nil {
			return err
		}
		if !key.Comparable() {
			return &Mismatch{Expected: "a key that can be compared", Found: "another"}
		}
		if err = r.decode(value, depth+1); err != nil {
			return within(err, fmt.Sprintf("[%#v]", key.Interface()))
		}
		v.SetMapIndex(key, value)
	}
	return err
}

func (r *reader) structure(h head, v reflect.Value, fields Fields, depth int) error {
	if h.major != majorMap {
		return r.mismatch(h, "a map with the fields of "+v.Type().Name())
	}
	given := make(map[int]bool, len(fields.List))
	items, err := r.open(h, depth)
	for err == nil && items.next(&err) {
		key, keyErr := r.untagged()
		if keyErr != nil {
			return keyErr
		}
		if key.major != majorText {
			return r.mismatch(key, "the name of a field")
		}
		name, keyErr := r.text(key)
		if keyErr != nil {
			return keyErr
		}
		index := -1
		for _, field := range fields.List {
			if field.Name == name {
				index = field.Index
			}
		}
		if index < 0 {
			err = r.skip(depth + 1)
			continue
		}
		if given[index] {
			return &Mismatch{Path: "." + name, Expected: "one value", Found: "two"}
		}
		given[index] = true
		err = within(r.decode(v.Field(index), depth+1), "."+name)
	}
	for _, field := range fields.List {
		if err == nil && !given[field.Index] && !isOptional(v.Field(field.Index)) {
			err = &Mismatch{Path: "." + field.Name, Expected: "a value", Found: "none"}
		}
	}
	return err
}

// any decodes a value of any type: nil, bool, int64, uint64 if that is too large for an int64,
// float64, string, []byte, []any, and map[string]any or map[any]any.
func (r *reader) any(v reflect.Value, depth int) error {
	if v.NumMethod() > 0 {
		return fmt.Errorf("a %s cannot be received", v.Type())
	}
	value, err := r.value(depth)
	if err == nil && value != nil {
		v.Set(reflect.ValueOf(value))
	}
	return err
}

func (r *reader) value(depth int) (any, error) {
	h, err := r.untagged()
	if err != nil {
		return nil, err
	}
	switch h.major {
	case majorUnsigned, majorNegative:
		if number, ok := h.integer(); ok {
			return number, nil
		}
		if h.major == majorUnsigned && !h.indefinite {
			return h.value, nil
		}
	case majorBytes:
		content, err := r.string(h)
		return append([]byte{}, content...), err
	case majorText:
		return r.text(h)
	case majorArray:
		values := []any{}
		target := reflect.ValueOf(&values).Elem()
		err := r.slice(h, target, depth)
		return values, err
	case majorMap:
		return r.anyMap(h, depth)
	}
	switch h.first {
	case itemNull, itemUndefined:
		return nil, nil
	case itemFalse, itemTrue:
		return h.first == itemTrue, nil
	}
	if number, ok := h.float(); ok {
		return number, nil
	}
	return nil, malformed(h.at)
}

// anyMap decodes a map: with texts as keys, if all of them are.
func (r *reader) anyMap(h head, depth int) (any, error) {
	mixed := map[any]any{}
	if err := r.mapping(h, reflect.ValueOf(&mixed).Elem(), depth); err != nil {
		return nil, err
	}
	named := make(map[string]any, len(mixed))
	for key, value := range mixed {
		name, ok := key.(string)
		if !ok {
			return mixed, nil
		}
		named[name] = value
	}
	return named, nil
}

func (h head) integer() (int64, bool) {
	if h.indefinite || h.value > math.MaxInt64 {
		return 0, false
	}
	switch h.major {
	case majorUnsigned:
		return int64(h.value), true
	case majorNegative:
		return -1 - int64(h.value), true
	}
	return 0, false
}

func (h head) float() (float64, bool) {
	switch {
	case h.first == 0xf9:
		return half(uint16(h.value)), true
	case h.first == 0xfa:
		return float64(math.Float32frombits(uint32(h.value))), true
	case h.first == 0xfb:
		return math.Float64frombits(h.value), true
	case h.major == majorUnsigned && !h.indefinite:
		return float64(h.value), true
	case h.major == majorNegative && !h.indefinite:
		return -1 - float64(h.value), true
	}
	return 0, false
}

// half converts a number of 16 bits: a sign, 5 bits of exponent, and 10 bits of fraction.
func half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&0x1f), float64(bits&0x3ff)
	var number float64
	switch {
	case exponent == 0:
		number = math.Ldexp(fraction, -24)
	case exponent < 31:
		number = math.Ldexp(1024+fraction, exponent-25)
	case fraction == 0:
		number = math.Inf(1)
	default:
		number = math.NaN()
	}
	if bits>>15 == 1 {
		return -number
	}
	return number
}

func (r *reader) mismatch(h head, expected string) error {
	return &Mismatch{Expected: expected, Found: r.describe(h)}
}

// describe tells people of an item.
func (r *reader) describe(h head) string {
	switch h.major {
	case majorUnsigned:
		return strconv.FormatUint(h.value, 10)
	case majorNegative:
		if number, ok := h.integer(); ok {
			return strconv.FormatInt(number, 10)
		}
		return "a number below " + strconv.Itoa(math.MinInt64)
	case majorBytes:
		return "bytes"
	case majorText:
		return "a text"
	case majorArray:
		return "an array"
	case majorMap:
		return "a map"
	}
	switch h.first {
	case itemFalse:
		return "false"
	case itemTrue:
		return "true"
	case itemNull, itemUndefined:
		return "null"
	}
	if number, ok := h.float(); ok {
		return strconv.FormatFloat(number, 'g', -1, 64)
	}
	return "something else"
}

// NumberName returns the name of a kind of numbers that all SDKs use.
func NumberName(kind reflect.Kind) string {
	switch kind {
	case reflect.Int, reflect.Int64:
		return "i64"
	case reflect.Int8:
		return "i8"
	case reflect.Int16:
		return "i16"
	case reflect.Int32:
		return "i32"
	case reflect.Uint, reflect.Uint64:
		return "u64"
	case reflect.Uint8:
		return "u8"
	case reflect.Uint16:
		return "u16"
	case reflect.Uint32:
		return "u32"
	case reflect.Float32:
		return "f32"
	default:
		return "f64"
	}
}

func isOptional(v reflect.Value) bool {
	return v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface
}
