package workflow

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/pattern"
	"github.com/plume-da/plume/host/internal/tomltext"
)

// Dialect says how a file with rows is written. Its zero value is the usual form of the
// file's format.
type Dialect struct {
	Delimiter string   `toml:"delimiter,omitempty"` // between columns, one character
	Comment   string   `toml:"comment,omitempty"`   // at the start of lines to skip, one character
	Decimal   string   `toml:"decimal,omitempty"`   // before the fraction of a number, one character
	Thousands string   `toml:"thousands,omitempty"` // between groups of three digits, one character
	SkipLines int      `toml:"skip_lines,omitzero"` // before the line of names
	SkipRows  int      `toml:"skip_rows,omitzero"`  // after it
	Names     []string `toml:"names,omitempty"`     // of the columns, if no line has them
	Missing   []string `toml:"missing"`             // texts, patterns and numbers that mean a missing value; nil: see Observations and Start
}

// dialectKeys returns the keys of a [Dialect]; missing is the doc of the key missing.
func dialectKeys(missing string) []key {
	return []key{
		{name: "delimiter", kind: text, doc: "separator of the columns of a text file, one character; a blank stands for any number of blanks and tabs; if omitted, a tab for .tsv and .rdb and a comma otherwise"},
		{name: "comment", kind: text, doc: "start of the lines of a text file that are skipped, one character"},
		{name: "decimal", kind: text, example: `","`, doc: "decimal mark of the numbers of a text file, one character; if omitted, a point"},
		{name: "thousands", kind: text, example: `"."`, doc: "separator of groups of three digits in a text file, one character; if omitted, nothing"},
		{name: "skip_lines", kind: integer, min: zero, doc: "lines of a text file before the line of names"},
		{name: "skip_rows", kind: integer, min: zero, doc: "rows of a text file after the line of names that have no values, such as a row of units"},
		{name: "names", kind: words, min: one, example: `["t", "level"]`, doc: "names of the columns of a text file without a line of names"},
		{name: "missing", kind: words, blank: true, doc: missing},
	}
}

// judgeDialect reports marks that are not one character, and equal marks that could be
// taken for each other; path is that of the table with the keys.
func (w *Workflow) judgeDialect(found *diag.Findings, d Dialect, path ...any) {
	at := func(name string) []any { return append(slices.Clone(path), name) }
	for name, value := range map[string]string{"delimiter": d.Delimiter, "comment": d.Comment} {
		if w.given(at(name)...) && (len(value) != 1 || strings.ContainsAny(value, "\"\r\n")) {
			found.Add(codeRange, w.At(at(name)...), "`%s` must be one ASCII character, but is %s", name, tomltext.Show(value)).
				WithLabel("one character").WithHelp("write a character such as \";\"")
		}
	}
	for name, value := range map[string]string{"decimal": d.Decimal, "thousands": d.Thousands} {
		if w.given(at(name)...) && (utf8.RuneCountInString(value) != 1 || strings.ContainsAny(value, "0123456789+-eE\"\r\n")) {
			found.Add(codeRange, w.At(at(name)...), "`%s` must be one character that is not otherwise part of a number, but is %s", name, tomltext.Show(value)).
				WithLabel("one character").WithHelp("write a character such as \",\"")
		}
	}
	same := func(name, value, other, taken string) {
		if value != "" && value == taken {
			found.Add(codeConflict, w.At(at(name)...), "`%s` and `%s` are both %s", other, name, tomltext.Show(value)).
				WithLabel("must differ").WithHelp("choose another `%s`", name)
		}
	}
	w.judgePatterns(found, d.Missing, at("missing"))
	same("comment", d.Comment, "delimiter", cmp.Or(d.Delimiter, ","))
	same("thousands", d.Thousands, "decimal", cmp.Or(d.Decimal, "."))
}

// judgePatterns reports items of the list at path that are not valid patterns.
func (w *Workflow) judgePatterns(found *diag.Findings, list []string, path []any) {
	for i, item := range list {
		if _, err := pattern.New([]string{item}); err != nil {
			found.Add(codeRange, w.At(append(slices.Clone(path), i)...), "%s is not a pattern: %v", tomltext.Show(item), err).
				WithLabel("a regular expression between slashes").WithHelp("fix it; a pattern such as '/[0-9.]+\\*/' must match the whole text")
		}
	}
}

// given reports whether there is a value at path that has no finding of its own.
func (w *Workflow) given(path ...any) bool {
	n, exact := w.root.Find(path)
	return exact && !n.Bad
}
