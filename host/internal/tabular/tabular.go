// Package tabular reads the rows of files that others wrote: text, Arrow, Parquet and netCDF.
//
// It finds columns by their names and numbers in cells, and knows the place of each cell,
// so that a fault can be shown where it is. Its callers know what a column means.
package tabular

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/plume-da/plume/sdk/wire/rows"
	"golang.org/x/text/unicode/norm"
)

// Cell is one value of a row. Cells of text files are texts without surrounding blanks.
type Cell = rows.Cell

// The kinds of cells.
const (
	Null    = rows.Null
	Number  = rows.Number
	Text    = rows.Text
	Instant = rows.Instant
	Wall    = rows.Wall
)

// Table reads the rows of one file, with the columns that [Table.Column] was asked for:
//
//	for t.Next() {
//		t.Number(k)
//	}
//	t.Err()
//
// Every error it returns is an [*Error]. It is not safe for concurrent use.
type Table struct {
	source   source
	columns  []rows.Column
	index    map[string]int // of columns; twice if two have the name
	numbers  numbers
	refs     []rows.Ref // by cell
	selected map[rows.Ref]int
	cells    []Cell // of the current row
	begun    bool
	err      error
}

const twice = -1

// ErrNoColumn is the cause of an [*Error] of [Table.Column] if there is no such column.
var ErrNoColumn = errors.New("no such column")

// Open opens a file, whose extension determines its format. The dialect says how a text file is
// written and, for any file, how numbers are written in texts and which values are missing.
// Close the result.
func Open(path string, d Dialect) (*Table, error) { return OpenBytes(path, d, 0) }

// OpenBytes is [Open] for the first bytes of a text file, to which another program may be
// appending; 0 means all. Files of other formats are read completely.
func OpenBytes(path string, d Dialect, bytes int64) (*Table, error) {
	format, err := formatOf(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, wrong(err)
	}
	if !info.Mode().IsRegular() { // reading a pipe or a device may never end
		return nil, &Error{What: "is not a regular file", Hint: "name a file; folders, pipes and devices are not read"}
	}
	numbers, err := d.numbers()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, wrong(err)
	}
	s, err := format.open(f, d, bytes)
	if err != nil {
		_ = f.Close() // it was only read
		return nil, wrong(err)
	}
	t := &Table{source: s, columns: s.Columns(), index: map[string]int{}, numbers: numbers, selected: map[rows.Ref]int{}}
	for i, c := range t.columns {
		name := norm.NFC.String(c.Name)
		if _, taken := t.index[name]; taken {
			i = twice
		}
		t.index[name] = i
	}
	return t, nil
}

// Close closes the file.
func (t *Table) Close() error { return t.source.Close() }

// Names returns the names of all columns, for people: for lists, those of the first and
// the last item.
func (t *Table) Names() []string { return namesOf(t.columns) }

func namesOf(columns []rows.Column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		if names[i] = c.Name; c.Items > 0 {
			names[i] = fmt.Sprintf("%s[0] to %s[%d]", c.Name, c.Name, c.Items-1)
		}
	}
	return names
}

// Column returns the index in every row of the cell of the column called name or, for
// NAME[3], of item 3 of a column of lists. A letter with an accent may be one character in one
// of the names and two in the other. Call it before the first Next.
func (t *Table) Column(name string) (cell int, err error) {
	ref, err := t.find(name)
	if err != nil {
		return 0, err
	}
	cell, seen := t.selected[ref]
	if !seen {
		cell = len(t.refs)
		t.refs, t.selected[ref] = append(t.refs, ref), cell
	}
	return cell, nil
}

func (t *Table) find(name string) (rows.Ref, error) {
	name = norm.NFC.String(name)
	i, ok := t.index[name]
	item, isItem := t.item(name)
	switch {
	case ok && (i == twice || isItem):
		return item, &Error{What: fmt.Sprintf("has two columns %q", name), Label: "which one?", Hint: "rename one of them"}
	case isItem:
		return item, nil
	case !ok:
		hint := t.hint()
		if text, ok := t.source.(*textFile); ok {
			hint = cmp.Or(text.below(name), hint)
		}
		return item, &Error{What: fmt.Sprintf("has no column %q", name), Label: "no such column", err: ErrNoColumn, Hint: hint}
	case t.columns[i].Items > 0:
		return item, &Error{What: fmt.Sprintf("has lists of %d values in column %q", t.columns[i].Items, name), Label: "which item?",
			Hint: "name one of " + namesOf(t.columns[i : i+1])[0]}
	}
	return rows.Ref{Column: i}, nil
}

// hint says what columns there are and, if they are probably not those of the file, why.
func (t *Table) hint() string {
	const most = 12
	hint := "it has " + strings.Join(namesOf(t.columns[:min(len(t.columns), most)]), ", ")
	if !utf8.ValidString(hint) {
		return valid(hint) + "; these are not UTF-8: save the file as UTF-8"
	}
	if slices.ContainsFunc(t.columns, func(c rows.Column) bool { _, err := t.numbers.parse(c.Name); return err == nil }) {
		hint += "; if its first line has values, write the names of the columns as names = [...]"
	}
	if len(t.columns) == 1 {
		for _, delimiter := range []string{";", "\t", "|", ",", " "} {
			if strings.Contains(t.columns[0].Name, delimiter) {
				return hint + fmt.Sprintf("; if it has more, write delimiter = %q, or skip_lines", delimiter)
			}
		}
	}
	return hint
}

// item returns what a name such as u[3] refers to, if u is a column of lists.
func (t *Table) item(name string) (ref rows.Ref, ok bool) {
	at := strings.LastIndexByte(name, '[')
	if at < 0 {
		return ref, false
	}
	i, ok := t.index[name[:at]]
	k, err := strconv.Atoi(strings.TrimSuffix(name[at+1:], "]"))
	if !ok || i == twice || err != nil || name[at:] != fmt.Sprintf("[%d]", k) || k < 0 || k >= t.columns[i].Items {
		return ref, false
	}
	return rows.Ref{Column: i, Item: k}, true
}

// Selected returns the names of the columns that [Table.Column] was asked for, by cell.
func (t *Table) Selected() []string {
	names := make([]string, len(t.refs))
	for cell := range t.refs {
		names[cell] = t.name(cell)
	}
	return names
}

func (t *Table) name(cell int) string {
	ref := t.refs[cell]
	if c := t.columns[ref.Column]; c.Items > 0 {
		return fmt.Sprintf("%s[%d]", c.Name, ref.Item)
	}
	return t.columns[ref.Column].Name
}

// Next reads the next row. It returns false at the end and after an error; see
// [Table.Err].
func (t *Table) Next() bool {
	if !t.begun {
		t.begun = true
		t.cells = make([]Cell, len(t.refs))
		if err := t.source.Select(t.refs); err != nil {
			t.err = wrong(err)
		}
	}
	if t.err != nil {
		return false
	}
	ok, err := t.source.Next(t.cells)
	if err != nil {
		t.err = wrong(err)
	}
	return ok
}

// Extend lets Next go on with the next bytes of a text file that was opened for some bytes, after
// it has returned false. The bytes read so far must end with a line. It returns false if the file
// cannot be read on.
func (t *Table) Extend(bytes int64) bool {
	text, ok := t.source.(*textFile)
	return ok && t.err == nil && text.extend(bytes)
}

// Err returns the error that made [Table.Next] return false; nil at the end of the file.
func (t *Table) Err() error { return t.err }

// Row returns the number of the current row: its line in a text file, otherwise its index
// among the rows, from 1.
func (t *Table) Row() int { return t.source.Row() }

// Cell returns a cell of the current row.
func (t *Table) Cell(cell int) Cell { return t.cells[cell] }

// Number returns the number in a cell of the current row; NaN if the value is missing. Any
// other cell is an error.
func (t *Table) Number(cell int) (float64, error) {
	c := &t.cells[cell]
	switch c.Kind {
	case Text:
		return t.numberIn(cell, c.Text)
	case Instant, Wall:
		return 0, t.Errorf(cell, "is a time, not a number").With("a number", "name another column")
	}
	switch v := c.Number; {
	case c.Kind == Null || math.IsNaN(v) || t.numbers.isAbsent(v):
		return math.NaN(), nil
	case math.IsInf(v, 0):
		return 0, t.Errorf(cell, "is %g, not a finite number", v).With("a number", fmt.Sprintf("fix it; if it means a missing value, add \"%g\" to `missing`", v))
	default:
		return v, nil
	}
}

// numberIn returns the number that the text of a cell means.
func (t *Table) numberIn(cell int, text string) (float64, error) {
	if t.numbers.missing.Has(text) {
		return math.NaN(), nil
	}
	v, err := t.numbers.parse(text)
	switch {
	case err != nil || math.IsNaN(v) || math.IsInf(v, 0):
		return 0, t.Errorf(cell, "is %q, not a finite number", shorten(text)).With("a number", t.numbers.hint(text))
	case t.numbers.isAbsent(v):
		return math.NaN(), nil
	}
	return v, nil
}

// Errorf returns an error about a cell of the current row. The text follows the name of
// the column.
func (t *Table) Errorf(cell int, format string, args ...any) *Error {
	e := &Error{Place: t.source.At(t.refs[cell].Column), What: fmt.Sprintf("column %q ", t.name(cell)) + fmt.Sprintf(format, args...)}
	if e.Line == 0 {
		e.What = fmt.Sprintf("row %d, %s", t.Row(), e.What)
	}
	return e
}

// At returns the place of a row in the file at path, which is all of its line; see
// [Table.Row]. Line is 0 if the file is not text.
func At(path string, row int) Place {
	format, err := formatOf(path)
	if err != nil || format.line == nil {
		return Place{}
	}
	text := valid(format.line(path, row))
	return Place{Line: row, Text: text, Width: len([]rune(text))}
}

func formatOf(path string) (*format, error) {
	ending := filepath.Ext(path)
	for i, f := range formats {
		if strings.EqualFold(f.ending, ending) {
			return &formats[i], nil
		}
	}
	var endings []string
	for _, f := range formats {
		endings = append(endings, f.ending)
	}
	return nil, &Error{What: fmt.Sprintf("unsupported file extension %q", ending), Label: "unknown format",
		Hint: "export it as one of " + strings.Join(endings, ", ")}
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
