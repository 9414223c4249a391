// Package pattern finds texts in lists: an item of a list stands for itself or, between
// slashes, for all texts that a regular expression matches.
package pattern

import (
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Set is a set of texts.
type Set struct {
	texts    map[string]bool
	lengths  uint64 // bit n: one of texts has n bytes, or n + 64 and so on, which saves most look-ups
	patterns []*regexp.Regexp
}

// New returns the set of the items of a list. An item such as /[0-9]+ ?ice/ is a regular
// expression, which must match the whole text. The error is that of an expression.
func New(list []string) (*Set, error) {
	s := &Set{texts: map[string]bool{}}
	for _, item := range list {
		item = norm.NFC.String(item)
		if !isPattern(item) {
			s.texts[item] = true
			s.lengths |= 1 << (len(item) % 64)
			continue
		}
		expression := item[1 : len(item)-1]
		if _, err := regexp.Compile(expression); err != nil {
			return nil, err
		}
		s.patterns = append(s.patterns, regexp.MustCompile(`^(?s:`+expression+`)$`))
	}
	return s, nil
}

// isPattern reports whether an item has something between two slashes: slashes alone are
// marks for missing values in weather reports.
func isPattern(item string) bool {
	return strings.HasPrefix(item, "/") && strings.HasSuffix(item, "/") && strings.Trim(item, "/") != ""
}

// Has reports whether text is in the set. Letters with accents are the same in one character
// and in two.
func (s *Set) Has(text string) bool {
	text = norm.NFC.String(text)
	if s.lengths&(1<<(len(text)%64)) != 0 && s.texts[text] {
		return true
	}
	for _, p := range s.patterns {
		if p.MatchString(text) {
			return true
		}
	}
	return false
}
