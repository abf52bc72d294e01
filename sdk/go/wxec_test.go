package wxec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/wxec/wxec/sdk/go/internal/cbor"
)

type tooLong struct{ By int }

func (e tooLong) Error() string { return fmt.Sprintf("too long by %d", e.By) }

func top(text string, n *uint8) (string, int, error) {
	if n != nil {
		return "", 0, fmt.Errorf("cannot count: %w", tooLong{int(*n)})
	}
	return text, len(text), nil
}

func run(input string) (int32, string) {
	status, output := answer("words::top", reflect.ValueOf(top), []string{"text", "n"}, []byte(input))
	return status, string(output)
}

func TestArgumentsComeByPositionOrByName(t *testing.T) {
	for _, input := range []string{"\x81\x61a", "\x82\x61a\xf6", "\xa1\x64text\x61a", "\xa2\x61n\xf6\x64text\x61a"} {
		if status, output := run(input); status != statusOk || output != "\x82\x61a\x01" {
			t.Errorf("%q: %d %q", input, status, output)
		}
	}
}

func TestWrongArgumentsAreNamed(t *testing.T) {
	for input, wanted := range map[string]string{
		"\x80":                   "argument `text`: expected a text, but it is missing",
		"\x81\x07":               "argument `text`: expected a text, found 7",
		"\x82\x61a\x19\x01\x00":  "argument `n`: expected u8, found 256",
		"\x83\x61a\x01\x02":      "3 arguments are given, but only 2 taken: (text, n)",
		"\xa1\x61m\x03":          "no parameter is named `m`: (text, n)",
		"\xa2\x61n\x03\x61n\x04": "argument `n` is given twice",
		"\x07":                   "the arguments cannot be read: the input is neither an array nor a map",
		"\x81":                   "the arguments cannot be read: malformed CBOR at byte 1",
		"\x81\x61\xff":           "argument `text`: the text at byte 0 is not UTF-8",
		"\x80\x80":               "the arguments cannot be read: 1 bytes after the value",
	} {
		if status, output := run(input); status != statusBadArguments || output != wanted {
			t.Errorf("%q: %d %q", input, status, output)
		}
	}
}

func TestAnErrorHasItsTypeItsFieldsAndItsChain(t *testing.T) {
	status, output := run("\x82\x61a\x07")
	var failure Failure
	if err := cbor.Unmarshal([]byte(output), &failure); err != nil || status != statusFailed {
		t.Fatal(status, err)
	}
	wanted := Failure{
		Type:    "github.com::wxec::wxec::sdk::go::tooLong",
		Message: "cannot count: too long by 7",
		Chain:   []string{},
		Data:    &[]byte{0xa1, 0x62, 'b', 'y', 7},
	}
	if !reflect.DeepEqual(failure, wanted) {
		t.Errorf("%+v", failure)
	}
}

type because struct{ error }

func (because) Error() string   { return "no" }
func (b because) Unwrap() error { return b.error }

func TestChainsLeaveOutWhatTheTextHas(t *testing.T) {
	err := because{fmt.Errorf("it is late: %w", errors.New("night"))}
	if chain := sources(err); !reflect.DeepEqual(chain, []string{"it is late: night"}) {
		t.Errorf("%q", chain)
	}
	_, missing := os.Open("/nowhere/at/all")
	if chain := sources(missing); len(chain) > 0 {
		t.Errorf("%q", chain)
	}
	if name := typeName("words::top", missing); name != "io::fs::PathError" {
		t.Error(name)
	}
}

func TestRefusalsAreErrorsOfTheLanguage(t *testing.T) {
	refusal := &Error{Kind: "PermissionDenied", Message: "not granted: needs --allow-run=ls"}
	if !errors.Is(fmt.Errorf("cannot list: %w", refusal), fs.ErrPermission) || errors.Is(refusal, fs.ErrNotExist) {
		t.Error(refusal)
	}
}

func TestLongTextsAreCutAtALetter(t *testing.T) {
	if cut := shorten(strings.Repeat("é", 10), 5); cut != "éé…" {
		t.Errorf("%q", cut)
	}
	if cut := shorten("a\xff", 5); cut != "a�" {
		t.Errorf("%q", cut)
	}
}

func TestItemsComeOutHoweverTheyAreCut(t *testing.T) {
	var wire []byte
	for _, item := range []string{"", "a", "two"} {
		encoded, err := encodeItem(reflect.ValueOf(item))
		if err != nil {
			t.Fatal(err)
		}
		wire = append(wire, encoded...)
	}
	var pending []byte
	var found []string
	for _, b := range wire {
		pending = append(pending, b)
		if item, err := takeItem(&pending); item != nil || err != nil {
			found = append(found, string(item[1:]))
		}
	}
	if !reflect.DeepEqual(found, []string{"", "a", "two"}) || len(pending) > 0 {
		t.Errorf("%q", found)
	}
	pending = binary.LittleEndian.AppendUint32(nil, maxItemBytes+1)
	if _, err := takeItem(&pending); err == nil {
		t.Error("an item that is announced too long is waited for")
	}
}
