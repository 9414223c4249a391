package diag

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// Source is one text that findings are about: a file, or a value of the command line.
type Source struct {
	File  string // empty if the text is not in a file
	Layer string // see Span
	Rank  int    // orders the findings of several sources
	Text  string
	// Secret says that no line of Text is shown: it may be a file that who asks for it may
	// read and who wrote the workflow may not.
	Secret bool

	lines []int // where each line starts
}

// FileLayer is the layer of the file that was asked for. Its positions are shown without
// the name of a layer.
const FileLayer = "file"

// NewSource returns the source of a text.
func NewSource(file, layer string, rank int, text string) *Source {
	s := &Source{File: file, Layer: layer, Rank: rank, Text: text, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// Span is a place in a text, with lines and columns from 1. Columns and widths count
// characters.
type Span struct {
	File   string `json:"file,omitempty"` // empty if the text is not in a file
	Layer  string `json:"layer"`          // FileLayer, or what the text is, such as "include" or "--set KEY=VALUE"
	Line   int    `json:"line"`           // 0: the whole file
	Column int    `json:"column"`
	Width  int    `json:"width"`

	rank    int
	excerpt string // the whole line
}

// Locate returns the span of the bytes from start to end. A span of several lines ends
// with its first line.
func (s *Source) Locate(start, end int) Span {
	start = min(max(start, 0), len(s.Text))
	end = min(max(end, start), len(s.Text))
	line := sort.SearchInts(s.lines, start+1) - 1
	first, last := s.lines[line], len(s.Text)
	if line+1 < len(s.lines) {
		last = s.lines[line+1] - 1
	}
	excerpt := strings.TrimSuffix(s.Text[first:last], "\r")
	last = first + len(excerpt)
	start = min(start, last)
	shown := excerpt
	if s.Secret {
		shown = ""
	}
	return Span{
		File: s.File, Layer: s.Layer, rank: s.Rank, excerpt: shown,
		Line:   line + 1,
		Column: utf8.RuneCountInString(s.Text[first:start]) + 1,
		Width:  max(1, utf8.RuneCountInString(s.Text[start:max(start, min(end, last))])),
	}
}

// InFile returns a span in a file that a source refers to, such as a data file: width
// characters after the first before characters of a line, whose number is counted from 1
// and whose text is excerpt. Line 0 means the whole file. Findings in such a file are
// sorted after those of the layer [FileLayer].
func InFile(file, excerpt string, line, before, width int) Span {
	return Span{File: file, Layer: FileLayer, Line: line, Column: before + 1, Width: max(1, width), rank: 1, excerpt: excerpt}
}

// WithoutExcerpt returns s with no line of text to show.
func (s Span) WithoutExcerpt() Span {
	s.excerpt = ""
	return s
}
