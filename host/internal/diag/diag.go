// Package diag holds findings about texts that people write: what is wrong, where,
// and what to do about it. It renders them for terminals with the line in question
// and a caret, as JSON for programs and as commands for GitHub. It knows neither what
// the texts are about nor how they are read.
package diag

import (
	"cmp"
	"fmt"
	"slices"
)

// Code names a kind of finding, such as E101. Codes are stable: documentation and
// editors refer to them.
type Code string

// Entry explains a code in the reference.
type Entry struct {
	Code   Code
	Means  string
	Remedy string
}

// Finding says what is wrong, where, and what to do about it.
type Finding struct {
	Code    Code   `json:"code"`
	Message string `json:"message"` // one line: what is wrong
	Span
	Label string   `json:"label,omitempty"` // at the caret: what is wanted
	Notes []string `json:"notes,omitempty"`
	Help  string   `json:"help,omitempty"` // what to do
}

// WithLabel sets the text at the caret and returns f.
func (f *Finding) WithLabel(format string, args ...any) *Finding {
	f.Label = clipped(fmt.Sprintf(format, args...))
	return f
}

// WithNote adds a note and returns f.
func (f *Finding) WithNote(format string, args ...any) *Finding {
	f.Notes = append(f.Notes, clipped(fmt.Sprintf(format, args...)))
	return f
}

// WithHelp sets the text that says what to do and returns f.
func (f *Finding) WithHelp(format string, args ...any) *Finding {
	f.Help = clipped(fmt.Sprintf(format, args...))
	return f
}

// Findings are the findings of one layer.
type Findings []*Finding

// Add appends a finding and returns it.
func (fs *Findings) Add(code Code, at Span, format string, args ...any) *Finding {
	f := &Finding{Code: code, Span: at, Message: clipped(fmt.Sprintf(format, args...))}
	*fs = append(*fs, f)
	return f
}

// maxText bounds the characters of one text of a finding.
const maxText = 2000

// clipped returns text; a long one, which may quote a value of a megabyte, without its
// middle.
func clipped(text string) string {
	if len(text) <= maxText {
		return text
	}
	runes := []rune(text)
	if len(runes) <= maxText {
		return text
	}
	return string(runes[:maxText*3/4]) + " … " + string(runes[len(runes)-maxText/4:])
}

// Sort orders fs by position: sources by rank, then lines and columns.
func (fs Findings) Sort() {
	slices.SortStableFunc(fs, func(a, b *Finding) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Code, b.Code))
	})
}

// Distinct returns fs without repetitions. It modifies fs.
func (fs Findings) Distinct() Findings {
	type identity struct {
		Span
		message string
	}
	seen := map[identity]bool{}
	return slices.DeleteFunc(fs, func(f *Finding) bool {
		id := identity{f.Span, f.Message}
		defer func() { seen[id] = true }()
		return seen[id]
	})
}
