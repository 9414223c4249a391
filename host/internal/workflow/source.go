package workflow

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// source is one text a workflow is made of: its file, one that is included, or one
// --set.
type source struct {
	file  string // empty for a --set
	layer string
	rank  int // the order of layers and of findings: included files below 0, the file 0, then each --set
	text  string
	lines []int // where each line starts
}

const fileLayer = "file"

func newSource(file, layer string, rank int, text string) *source {
	s := &source{file: file, layer: layer, rank: rank, text: text, lines: []int{0}}
	for i := range len(text) {
		if text[i] == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// span is a part of a source's text, in bytes.
type span struct{ start, end int }

// Span is a place in the text of a workflow, with lines and columns from 1.
// Columns and widths count characters.
type Span struct {
	File   string `json:"file,omitempty"` // empty for a --set
	Layer  string `json:"layer"`          // "file", "include", "profile NAME", "--set KEY=VALUE" or "--profile NAME"
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Width  int    `json:"width"`

	rank    int
	excerpt string // the whole line
}

// locate returns where in s a span is. A span over several lines ends with its
// first.
func (s *source) locate(sp span, layer string) Span {
	sp.start = min(max(sp.start, 0), len(s.text))
	sp.end = min(max(sp.end, sp.start), len(s.text))
	line := sort.SearchInts(s.lines, sp.start+1) - 1
	begin, end := s.lines[line], len(s.text)
	if line+1 < len(s.lines) {
		end = s.lines[line+1] - 1
	}
	excerpt := strings.TrimSuffix(s.text[begin:end], "\r")
	end = begin + len(excerpt)
	start := min(sp.start, end)
	return Span{
		File: s.file, Layer: layer, rank: s.rank, excerpt: excerpt,
		Line:   line + 1,
		Column: utf8.RuneCountInString(s.text[begin:start]) + 1,
		Width:  max(1, utf8.RuneCountInString(s.text[start:max(start, min(sp.end, end))])),
	}
}
