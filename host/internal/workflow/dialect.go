package workflow

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// Dialect says how a file with rows is written. Its zero value is what the file's format
// usually is.
type Dialect struct {
	Delimiter string   `toml:"delimiter,omitempty"` // between columns, one character
	Comment   string   `toml:"comment,omitempty"`   // what lines to skip begin with, one character
	Decimal   string   `toml:"decimal,omitempty"`   // before the fraction of a number, one character
	Thousands string   `toml:"thousands,omitempty"` // between groups of three digits, one character
	SkipLines int      `toml:"skip_lines,omitzero"` // before the line of names
	SkipRows  int      `toml:"skip_rows,omitzero"`  // after it
	Missing   []string `toml:"missing"`             // what stands for no value; nil: see Observations and Start
}

// dialectKeys returns the keys of a [Dialect]. missing says what values that are not there
// mean.
func dialectKeys(missing string) []key {
	return []key{
		{name: "delimiter", kind: text, doc: "between the columns of a text file, one character; a tab for .tsv, else a comma, when left out"},
		{name: "comment", kind: text, doc: "what lines of a text file that are to be skipped begin with, one character"},
		{name: "decimal", kind: text, example: `","`, doc: "what stands before the fraction of a number in a text file, one character; a point when left out"},
		{name: "thousands", kind: text, example: `"."`, doc: "what stands between groups of three digits in a text file, one character; nothing when left out"},
		{name: "skip_lines", kind: integer, min: zero, doc: "lines of a text file before that of the names"},
		{name: "skip_rows", kind: integer, min: zero, doc: "rows of a text file after that of the names which have no values, such as one of units"},
		{name: "missing", kind: words, blank: true, doc: missing},
	}
}

// judgeDialect wants every mark to be one character, and those that could be taken for each
// other to differ; path is that of the table with the keys.
func (w *Workflow) judgeDialect(found *diag.Findings, d Dialect, path ...any) {
	at := func(name string) []any { return append(slices.Clone(path), name) }
	for name, value := range map[string]string{"delimiter": d.Delimiter, "comment": d.Comment} {
		if w.given(at(name)...) && (len(value) != 1 || strings.ContainsAny(value, "\"\r\n")) {
			found.Add(codeRange, w.At(at(name)...), "`%s` must be one ASCII character, but is %s", name, tomltext.Show(value)).
				WithLabel("one character").WithHelp("write one such as \";\"")
		}
	}
	for name, value := range map[string]string{"decimal": d.Decimal, "thousands": d.Thousands} {
		if w.given(at(name)...) && (utf8.RuneCountInString(value) != 1 || strings.ContainsAny(value, "0123456789+-eE\"\r\n")) {
			found.Add(codeRange, w.At(at(name)...), "`%s` must be one character that no number has otherwise, but is %s", name, tomltext.Show(value)).
				WithLabel("one character").WithHelp("write one such as \",\"")
		}
	}
	same := func(name, value, other, taken string) {
		if value != "" && value == taken {
			found.Add(codeConflict, w.At(at(name)...), "`%s` and `%s` are both %s", other, name, tomltext.Show(value)).
				WithLabel("not the same").WithHelp("write another `%s`", name)
		}
	}
	same("comment", d.Comment, "delimiter", cmp.Or(d.Delimiter, ","))
	same("thousands", d.Thousands, "decimal", cmp.Or(d.Decimal, "."))
}

// given says whether there is a value at path that has no finding of its own.
func (w *Workflow) given(path ...any) bool {
	n, exact := w.root.Find(path)
	return exact && !n.Bad
}
