// Words has tasks that work on texts.
package main

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/wxec/wxec/sdk/go"

	_ "example.org/words/stats"
)

func main() {}

// Count counts the words of a text.
//
//wxec:task
func Count(text string) int { return len(strings.Fields(text)) }

// Frequency is a word and how often it occurs.
type Frequency struct {
	_     struct{} `cbor:",toarray"`
	Word  string
	Count int
}

// Top returns the n most frequent words of a text, the most frequent first, equally frequent ones in
// alphabetical order.
//
//wxec:task
func Top(text string, n uint) []Frequency {
	counts := map[string]int{}
	for _, word := range strings.Fields(text) {
		counts[word]++
	}
	words := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(counts[b], counts[a]) })
	words = words[:min(uint(len(words)), n)]
	top := []Frequency{}
	for _, word := range words {
		top = append(top, Frequency{Word: word, Count: counts[word]})
	}
	return top
}

// Grep passes on the lines that match a regular expression of package regexp, as they come.
//
//wxec:task
func Grep(pattern string, lines *wxec.Receiver[string], matches *wxec.Sender[string]) error {
	expression, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	for line := range lines.All() {
		if !expression.MatchString(line) {
			continue
		}
		if err := matches.Send(line); err != nil {
			return err
		}
	}
	return lines.Err()
}
