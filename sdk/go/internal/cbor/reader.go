package cbor

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// reader walks over CBOR.
type reader struct {
	bytes []byte
	at    int
}

// head is the first part of an item.
type head struct {
	major byte
	// value is the argument; it means nothing if the length is indefinite.
	value      uint64
	indefinite bool
	first      byte
	at         int
}

type malformed int

func (at malformed) Error() string { return fmt.Sprintf("malformed CBOR at byte %d", int(at)) }

type tooDeep struct{}

func (tooDeep) Error() string { return fmt.Sprintf("it nests deeper than %d levels", MaxDepth) }

func (r *reader) take(length uint64) ([]byte, error) {
	if length > uint64(len(r.bytes)-r.at) {
		return nil, malformed(r.at)
	}
	taken := r.bytes[r.at : r.at+int(length)]
	r.at += int(length)
	return taken, nil
}

func (r *reader) peek() byte {
	if r.at < len(r.bytes) {
		return r.bytes[r.at]
	}
	// A break is no item, so that it never passes for one.
	return itemBreak
}

// head reads the head of the next item, tags included.
func (r *reader) head() (head, error) {
	at := r.at
	first, err := r.take(1)
	if err != nil {
		return head{}, err
	}
	h := head{major: first[0] >> 5, first: first[0], at: at}
	switch low := first[0] & 0x1f; {
	case low < 24:
		h.value = uint64(low)
	case low <= 27:
		argument, err := r.take(1 << (low - 24))
		if err != nil {
			return head{}, err
		}
		var wide [8]byte
		copy(wide[8-len(argument):], argument)
		h.value = binary.BigEndian.Uint64(wide[:])
	case low == 31:
		h.indefinite = true
	default:
		return head{}, malformed(at)
	}
	return h, nil
}

// untagged reads the head of the next item behind its tags.
func (r *reader) untagged() (head, error) {
	for range maxTags {
		h, err := r.head()
		if err != nil || h.major != majorTag {
			return h, err
		}
		if h.indefinite {
			return head{}, malformed(h.at)
		}
	}
	return head{}, tooDeep{}
}

// skip passes an item that stands inside depth others, and checks that it is well-formed.
func (r *reader) skip(depth int) error {
	h, err := r.untagged()
	if err != nil {
		return err
	}
	switch h.major {
	case majorBytes, majorText:
		_, err := r.string(h)
		return err
	case majorArray, majorMap:
		items, err := r.open(h, depth)
		for err == nil && items.next(&err) {
			if err = r.skip(depth + 1); err == nil && h.major == majorMap {
				err = r.skip(depth + 1)
			}
		}
		return err
	}
	if h.indefinite {
		return malformed(h.at)
	}
	return nil
}

// string reads the content of bytes or a text, which may come in parts.
func (r *reader) string(h head) ([]byte, error) {
	if !h.indefinite {
		return r.take(h.value)
	}
	var joined []byte
	for {
		part, err := r.head()
		if err != nil {
			return nil, err
		}
		if part.first == itemBreak {
			return joined, nil
		}
		if part.major != h.major || part.indefinite {
			return nil, malformed(part.at)
		}
		content, err := r.take(part.value)
		if err != nil {
			return nil, err
		}
		joined = append(joined, content...)
	}
}

func (r *reader) text(h head) (string, error) {
	content, err := r.string(h)
	if err == nil && !utf8.Valid(content) {
		err = fmt.Errorf("the text at byte %d is not UTF-8", h.at)
	}
	return string(content), err
}

// items counts what is left in an array or a map.
type items struct {
	reader     *reader
	left       uint64
	indefinite bool
}

func (r *reader) open(h head, depth int) (*items, error) {
	if depth >= MaxDepth {
		return nil, tooDeep{}
	}
	return &items{r, h.value, h.indefinite}, nil
}

// next returns true if there is another item. Sets err if the input ends first.
func (i *items) next(err *error) bool {
	if *err != nil {
		return false
	}
	if i.indefinite {
		if i.reader.at < len(i.reader.bytes) && i.reader.peek() == itemBreak {
			i.reader.at++
			return false
		}
		return true
	}
	if i.left == 0 {
		return false
	}
	i.left--
	return true
}

// Arguments are those of a call, found but not decoded: by position, or by name.
type Arguments struct {
	Items [][]byte
	// Names are those of the items, if they were given by name.
	Names []string
}

// No function written by a person has more parameters.
const maxArguments = 256

// Split finds the arguments in the input of a call, and checks that all of it is well-formed.
func Split(input []byte) (Arguments, error) {
	r := &reader{bytes: input}
	h, err := r.head()
	if err != nil {
		return Arguments{}, err
	}
	if h.major != majorArray && h.major != majorMap {
		return Arguments{}, fmt.Errorf("the input is neither an array nor a map")
	}
	if h.indefinite || h.value > maxArguments {
		return Arguments{}, malformed(0)
	}
	var found Arguments
	for range h.value {
		if h.major == majorMap {
			key, err := r.untagged()
			if err != nil {
				return Arguments{}, err
			}
			if key.major != majorText {
				return Arguments{}, fmt.Errorf("a name is no text, but %s", r.describe(key))
			}
			name, err := r.text(key)
			if err != nil {
				return Arguments{}, err
			}
			found.Names = append(found.Names, name)
		}
		start := r.at
		if err := r.skip(0); err != nil {
			return Arguments{}, err
		}
		found.Items = append(found.Items, input[start:r.at])
	}
	return found, r.end()
}

// end returns an error if anything is left.
func (r *reader) end() error {
	if left := len(r.bytes) - r.at; left > 0 {
		return fmt.Errorf("%d bytes after the value", left)
	}
	return nil
}
