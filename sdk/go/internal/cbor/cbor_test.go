package cbor

import (
	"bytes"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

type point struct{ X, Y int64 }

type counted struct {
	_     struct{} `cbor:",toarray"`
	Word  string
	Count uint8
}

type record struct {
	HTTPPort uint16
	Name     string `cbor:"title"`
	Skipped  int    `cbor:"-"`
	Nested   *point
	hidden   int
}

func TestValuesReturnAsTheyWent(t *testing.T) {
	five, none := 5, (*int)(nil)
	for _, value := range []any{
		true, int8(-128), int64(math.MinInt64), int64(math.MaxInt64), uint64(math.MaxUint64), uint8(255),
		1.5, float32(0.1), math.Inf(-1), "", "été", []byte{}, []byte{0, 255}, []int64{}, []string{"a", "b"},
		[2]bool{true, false}, map[string]uint64{"b": 1, "a": 2}, map[int8][]int{-1: {1}}, struct{}{},
		point{1, -2}, counted{Word: "a", Count: 3}, record{HTTPPort: 80, Name: "n", Nested: &point{}},
		netip.MustParseAddr("::1"), &five, none, &none, []*int{&five, nil},
	} {
		encoded, err := Marshal(value)
		if err != nil {
			t.Fatalf("%#v: %v", value, err)
		}
		decoded := reflect.New(reflect.TypeOf(value))
		if err := Unmarshal(encoded, decoded.Interface()); err != nil {
			t.Fatalf("%#v as %x: %v", value, encoded, err)
		}
		if !reflect.DeepEqual(decoded.Elem().Interface(), value) {
			t.Errorf("%#v came back as %#v", value, decoded.Elem().Interface())
		}
	}
}

func TestFloatsKeepTheirSignAndNaN(t *testing.T) {
	var number float64
	for _, half := range []string{"\xf9\x80\x00", "\xfa\x80\x00\x00\x00", "\xfb\x80\x00\x00\x00\x00\x00\x00\x00"} {
		if err := Unmarshal([]byte(half), &number); err != nil || number != 0 || !math.Signbit(number) {
			t.Errorf("%x: %v, %v", half, number, err)
		}
	}
	encoded, _ := Marshal(math.NaN())
	if err := Unmarshal(encoded, &number); err != nil || !math.IsNaN(number) {
		t.Errorf("%v, %v", number, err)
	}
	for encoded, wanted := range map[string]float64{"\xf9\x3c\x00": 1, "\xf9\x00\x01": math.Ldexp(1, -24), "\xf9\x7c\x00": math.Inf(1), "\x03": 3, "\x22": -3} {
		if err := Unmarshal([]byte(encoded), &number); err != nil || number != wanted {
			t.Errorf("%x: %v, %v", encoded, number, err)
		}
	}
}

func TestBytesAreThoseOfOtherLanguages(t *testing.T) {
	none := (*int)(nil)
	for encoded, value := range map[string]any{
		"\xa2\x61x\x01\x61y\x21": point{1, -2},
		"\x82\x61a\x03":          counted{Word: "a", Count: 3},
		"\xa3\x69http_port\x18\x50\x65title\x60\x66nested\xf6": record{HTTPPort: 80},
		"\xf6":                   none,
		"\xd8\x7a\xf6":           &none,
		"\x80":                   []int(nil),
		"\x40":                   []byte(nil),
		"\xa0":                   map[string]int(nil),
		"\xa2\x61a\x02\x61b\x01": map[string]int{"b": 1, "a": 2},
	} {
		if found, err := Marshal(value); err != nil || string(found) != encoded {
			t.Errorf("%#v: %x, not %x (%v)", value, found, encoded, err)
		}
	}
}

func TestAnyValueHasTheTypesOfGo(t *testing.T) {
	var value any
	input := "\x86\x01\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x61a\xf6\xa1\x61k\x41\x07\xa1\x01\xf5"
	if err := Unmarshal([]byte(input), &value); err != nil {
		t.Fatal(err)
	}
	wanted := []any{int64(1), uint64(math.MaxUint64), "a", nil, map[string]any{"k": []byte{7}}, map[any]any{int64(1): true}}
	if !reflect.DeepEqual(value, wanted) {
		t.Errorf("%#v", value)
	}
}

func TestMismatchesNameThePlaceAndTheTypes(t *testing.T) {
	for _, test := range []struct {
		target any
		input  string
		wanted string
	}{
		{new(int64), "\x61a", "expected i64, found a text"},
		{new(int64), "\x1b\x80\x00\x00\x00\x00\x00\x00\x00", "expected i64, found 9223372036854775808"},
		{new(int64), "\x3b\x80\x00\x00\x00\x00\x00\x00\x00", "expected i64, found a number below -9223372036854775808"},
		{new(int64), "\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00", "expected i64, found 1.5"},
		{new(uint8), "\x19\x01\x00", "expected u8, found 256"},
		{new(uint64), "\x20", "expected u64, found -1"},
		{new(bool), "\xf6", "expected bool, found null"},
		{new(string), "\x41a", "expected a text, found bytes"},
		{new(string), "\x61\xff", "the text at byte 0 is not UTF-8"},
		{new([]byte), "\x61a", "expected bytes, found a text"},
		{new([]point), "\x82\xa2\x61x\x01\x61y\x02\xa2\x61x\x01\x61y\x61a", "at `[1].y`: expected i64, found a text"},
		{new(point), "\xa1\x61x\x01", "at `.y`: expected a value, found none"},
		{new(point), "\xa2\x61x\x01\x61x\x01", "at `.x`: expected one value, found two"},
		{new(counted), "\x81\x61a", "expected an array of 2 items, found one of 1"},
		{new(counted), "\x83\x61a\x01\x01", "expected an array of 2 items, found more"},
		{new(map[any]int), "\xa1\x80\x01", "expected a key that can be compared, found another"},
		{new(netip.Addr), "\x61g", "expected a netip.Addr, found \"g\""},
		{new(int64), "\x01\x02", "1 bytes after the value"},
		{new(int64), "", "malformed CBOR at byte 0"},
		{new(int64), "\xff", "expected i64, found something else"},
	} {
		err := Unmarshal([]byte(test.input), test.target)
		if err == nil || err.Error() != test.wanted {
			t.Errorf("%x for %T: %v, not %q", test.input, test.target, err, test.wanted)
		}
	}
}

func TestPartsAndUnknownLengthsAreRead(t *testing.T) {
	var text string
	if err := Unmarshal([]byte("\x7f\x61a\x61b\xff"), &text); err != nil || text != "ab" {
		t.Errorf("%q, %v", text, err)
	}
	var numbers []int
	if err := Unmarshal([]byte("\x9f\x01\xd8\x20\x02\xff"), &numbers); err != nil || len(numbers) != 2 {
		t.Errorf("%v, %v", numbers, err)
	}
}

// Inputs that announce more than they have, or nest without end.
var hostile = []string{
	"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
	"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
	"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
	"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
	"\x81\x9b\xff\xff\xff\xff\xff\xff\xff\xff\xf6",
	"\x9f", "\x5f", "\xbf\x01", "\x1c", "\x1f", "\xff", "\xdf", "\xd8",
	"\x5f\x5f\xff\xff",
	strings.Repeat("\x81", 1000) + "\xf6",
	strings.Repeat("\x9f", 1000),
	strings.Repeat("\xa1\x01", 1000) + "\xf6",
	strings.Repeat("\xc1", 1000) + "\xf6",
	strings.Repeat("\xd8\x7a", 1000) + "\xf6",
}

func TestHostileInputIsRefused(t *testing.T) {
	type nested []nested
	for _, input := range hostile {
		for _, target := range []any{new(any), new([]int), new(nested), new([]byte), new(string), new(map[string]any), new(****int), new(point)} {
			if err := Unmarshal([]byte(input), target); err == nil {
				t.Errorf("%.20x is taken for a %T", input, target)
			}
		}
		if _, err := Split([]byte(input)); err == nil {
			t.Errorf("%.20x is taken for arguments", input)
		}
	}
}

func TestDepthIsThatOfOtherLanguages(t *testing.T) {
	var value any
	nested := func(depth int) []byte { return append(bytes.Repeat([]byte{0x81}, depth), 0xf6) }
	if err := Unmarshal(nested(MaxDepth), &value); err != nil {
		t.Error(err)
	}
	if encoded, err := Marshal(value); err != nil || !bytes.Equal(encoded, nested(MaxDepth)) {
		t.Error(err)
	}
	if err := Unmarshal(nested(MaxDepth+1), &value); err != (tooDeep{}) {
		t.Error(err)
	}
	if _, err := Marshal([]any{value}); err != (tooDeep{}) {
		t.Error(err)
	}
}

// Fails by its time: a reader that begins again for the key that is no text takes twice as long for
// each level.
func TestNestedMapsAreReadOnce(t *testing.T) {
	input := strings.Repeat("\xa2\x60", 100) + "\xa0" + strings.Repeat("\x01\xf6", 100)
	var value any
	if err := Unmarshal([]byte(input), &value); err != nil {
		t.Error(err)
	}
}

func TestNamesAreInSnakeCase(t *testing.T) {
	for name, wanted := range map[string]string{"X": "x", "FirstName": "first_name", "HTTPPort": "http_port", "userID": "user_id", "a_b": "a_b", "CountTo": "count_to"} {
		if found := SnakeCase(name); found != wanted {
			t.Errorf("%s: %s", name, found)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, input := range hostile {
		f.Add([]byte(input))
	}
	f.Add([]byte("\xa3\x69http_port\x18\x50\x65title\x60\x66nested\xa2\x61x\x01\x61y\x21"))
	f.Add([]byte("\x86\x01\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x61a\xf6\xa1\x61k\x41\x07\xa1\x01\xf5"))
	f.Fuzz(func(t *testing.T, input []byte) {
		_, _ = Split(input)
		for _, target := range []any{new(any), new(record), new(counted), new([]*[]byte), new(map[any]any), new(netip.Addr)} {
			if Unmarshal(input, target) != nil {
				continue
			}
			value := reflect.ValueOf(target).Elem()
			encoded, err := Append(nil, value)
			if err != nil {
				t.Fatalf("%#v does not go back: %v", value, err)
			}
			if err := Unmarshal(encoded, target); err != nil {
				t.Fatalf("%#v went back as %x: %v", value, encoded, err)
			}
		}
	})
}
