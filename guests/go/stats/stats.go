// Package stats has numbers about a text.
package stats

import (
	"strings"
	"unicode/utf8"
)

// Lengths counts the words of each length, in letters.
//
//wxec:task
func Lengths(text string) map[uint]uint {
	lengths := map[uint]uint{}
	for _, word := range strings.Fields(text) {
		lengths[uint(utf8.RuneCountInString(word))]++
	}
	return lengths
}
