package workflow

import (
	"cmp"
	"fmt"
	"slices"
)

// Codes of the findings. They are stable: documentation and editors refer to
// them. E3xx is for the layers after this package: plugins, plan, environment.
const (
	CodeSyntax     = "E101" // the text is not TOML
	CodeRepeated   = "E102" // a key is defined twice
	CodeTooLarge   = "E103" // the text is too long or nests too deeply
	CodeUnreadable = "E104" // the file cannot be read
	CodeSet        = "E105" // a --set is not key=value
	CodeProfile    = "E106" // there is no such profile
	CodeInclude    = "E107" // a file includes itself

	CodeUnknown    = "E201" // a key that does not exist
	CodeMissing    = "E202" // a required key is missing
	CodeType       = "E203" // a value of the wrong type
	CodeRange      = "E204" // a value out of range
	CodeChoice     = "E205" // not one of the words there are
	CodeOneOf      = "E206" // exactly one of several keys is wanted
	CodeArithmetic = "E207" // a wrong expression
	CodeName       = "E208" // a name with characters it may not have
	CodeDuplicate  = "E209" // a label that is taken
	CodeReference  = "E210" // a label nothing has
	CodeConflict   = "E211" // two values that contradict each other
)

// Diagnostic is one finding about a workflow: what is wrong, where, and what to
// do about it.
type Diagnostic struct {
	Code    string `json:"code"`
	Message string `json:"message"` // one line: what is wrong
	Span
	Label string   `json:"label,omitempty"` // at the caret: what is wanted
	Notes []string `json:"notes,omitempty"`
	Help  string   `json:"help,omitempty"` // what to do
}

// WithLabel returns d after setting what stands beside the caret.
func (d *Diagnostic) WithLabel(format string, args ...any) *Diagnostic {
	d.Label = fmt.Sprintf(format, args...)
	return d
}

// WithNote returns d after adding a note.
func (d *Diagnostic) WithNote(format string, args ...any) *Diagnostic {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
	return d
}

// WithHelp returns d after saying what to do.
func (d *Diagnostic) WithHelp(format string, args ...any) *Diagnostic {
	d.Help = fmt.Sprintf(format, args...)
	return d
}

// Diagnostics are the findings of one layer.
type Diagnostics []*Diagnostic

// add appends a finding and returns it.
func (ds *Diagnostics) add(code string, at Span, format string, args ...any) *Diagnostic {
	d := &Diagnostic{Code: code, Span: at, Message: fmt.Sprintf(format, args...)}
	*ds = append(*ds, d)
	return d
}

// Sort orders ds by position: included files first, then the file, then each
// --set as given.
func (ds Diagnostics) Sort() {
	slices.SortStableFunc(ds, func(a, b *Diagnostic) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Code, b.Code))
	})
}

// Distinct returns ds without repetitions.
func (ds Diagnostics) Distinct() Diagnostics {
	type identity struct {
		Span
		message string
	}
	seen := map[identity]bool{}
	return slices.DeleteFunc(ds, func(d *Diagnostic) bool {
		id := identity{d.Span, d.Message}
		defer func() { seen[id] = true }()
		return seen[id]
	})
}

// At returns the place of a value, by a path of keys and of indices from 0, such
// as At("filter", 2, "params", "inflation"). Of a table it is its header. What is
// not written in the text is looked for in the table that would hold it.
func (w *Workflow) At(path ...any) Span {
	n, _ := w.root.find(path)
	return n.place()
}

// KeyAt returns the place of a key; see [Workflow.At].
func (w *Workflow) KeyAt(path ...any) Span {
	n, exact := w.root.find(path)
	if !exact {
		return n.place()
	}
	return n.keyPlace()
}

// Error returns a finding about the value at path; see [Workflow.At].
func (w *Workflow) Error(code string, path []any, format string, args ...any) *Diagnostic {
	return &Diagnostic{Code: code, Span: w.At(path...), Message: fmt.Sprintf(format, args...)}
}

// KeyError returns a finding about the key at path; see [Workflow.At].
func (w *Workflow) KeyError(code string, path []any, format string, args ...any) *Diagnostic {
	return &Diagnostic{Code: code, Span: w.KeyAt(path...), Message: fmt.Sprintf(format, args...)}
}

// FileError returns a finding about a file that the workflow names: line, from 1,
// whose text is excerpt, with before characters in front of the width characters
// that are meant. Line 0 means the whole file.
func FileError(code, file, excerpt string, line, before, width int, format string, args ...any) *Diagnostic {
	return &Diagnostic{Code: code, Message: fmt.Sprintf(format, args...),
		Span: Span{File: file, Layer: fileLayer, Line: line, Column: before + 1, Width: max(1, width), rank: 1, excerpt: excerpt}}
}
