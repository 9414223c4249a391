// Package rows reads tables that others wrote, Parquet files and Arrow IPC files,
// row by row: numbers, texts and times of any physical type.
//
// Files are read by Arrow's own readers, which trust them. Their panics become errors,
// their memory is bounded by the size of the file, see [wire.Bounded], and the time for
// one batch is bounded too.
package rows

import (
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/plume-da/plume/sdk/wire"
)

// Kind says which field of a Cell holds its value.
type Kind int

// The kinds of cells.
const (
	Null    Kind = iota
	Number       // Cell.Number; a truth value is 0 or 1
	Text         // Cell.Text
	Instant      // Cell.Time
	Wall         // Cell.Time, a local time: in UTC, but of an unknown zone
)

// Cell is one value of a row.
type Cell struct {
	Kind   Kind
	Number float64
	Text   string
	Time   time.Time
}

// Column is one column of a file. Each of its values is a cell or, if Items is not 0, a
// list of Items cells.
type Column struct {
	Name  string
	Items int
}

// Ref refers to a cell of every row: that of a column, or one item of its list.
type Ref struct{ Column, Item int }

// UnsupportedError is the error of a file that may be intact, but is written in a way
// that this package does not support.
type UnsupportedError struct {
	What string
	Hint string // how to write it instead
}

func (e *UnsupportedError) Error() string { return e.What }

// Reader reads the rows of one file. It is not safe for concurrent use.
type Reader struct {
	file    *os.File
	size    int64
	columns []Column
	open    func(fields []int) (batches, error)
	batches batches

	refs   []Ref // selected cells; Column is the index among the columns of a batch
	record arrow.Record
	cells  []cellsOf // of record, by refs
	row    int       // next one of the batch
	rows   int       // of the batch
}

// batches are the record batches of a file, in order, with some of its columns.
type batches interface {
	Next() bool
	Record() arrow.Record // to be released
	Err() error
}

// open prepares a reader of f by prepare, which trusts the file. If there is an error f
// stays open; otherwise the reader closes it.
func open(f *os.File, prepare func(*Reader) error) (_ *Reader, err error) {
	defer rescue(&err)
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r := &Reader{file: f, size: info.Size()}
	if err := prepare(r); err != nil {
		return nil, err
	}
	return r, nil
}

// rescue turns a panic of Arrow's readers into an error.
func rescue(err *error) {
	if fault := recover(); fault != nil {
		*err = wire.Damaged("the file", fault)
	}
}

// columnOf returns the column of a field.
func columnOf(f arrow.Field) Column {
	c := Column{Name: f.Name}
	if list, ok := f.Type.(*arrow.FixedSizeListType); ok {
		c.Items = int(list.Len())
	}
	return c
}

// Columns returns all columns of the file.
func (r *Reader) Columns() []Column { return r.columns }

// Select chooses the cells that Next returns. Call it before the first Next.
func (r *Reader) Select(refs []Ref) (err error) {
	defer rescue(&err)
	var fields []int
	for _, ref := range refs {
		fields = append(fields, ref.Column)
	}
	slices.Sort(fields)
	fields = slices.Compact(fields)
	r.refs = slices.Clone(refs)
	for i, ref := range refs {
		r.refs[i].Column, _ = slices.BinarySearch(fields, ref.Column)
	}
	r.batches, err = r.open(fields)
	return err
}

// Next fills cells with the next row, one for every selected cell. It returns false at the
// end. If the file states its number of rows, fewer rows are an error.
func (r *Reader) Next(cells []Cell) (ok bool, err error) {
	defer rescue(&err)
	for r.row == r.rows {
		if r.record != nil {
			r.record.Release() // no cell refers to it
			r.record = nil
		}
		if !r.batches.Next() {
			return false, r.batches.Err()
		}
		r.record = r.batches.Record()
		if err := r.load(r.record); err != nil {
			return false, err
		}
	}
	for i := range r.cells {
		cells[i] = r.cells[i].at(r.row)
	}
	r.row++
	return true, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// load prepares the cells of a batch.
func (r *Reader) load(record arrow.Record) error {
	r.row, r.rows, r.cells = 0, int(record.NumRows()), r.cells[:0]
	for _, ref := range r.refs {
		c, err := cellsIn(record.Column(ref.Column), ref.Item)
		if err != nil {
			return fmt.Errorf("column %q %w", record.ColumnName(ref.Column), err)
		}
		r.cells = append(r.cells, c)
	}
	for i, a := range record.Columns() {
		switch {
		case a.Len() != r.rows:
			return fmt.Errorf("the file is damaged: column %q has %d values, but others have %d", record.ColumnName(i), a.Len(), r.rows)
		case !wire.Holds(a):
			return fmt.Errorf("the file is damaged: column %q is shorter than its stated length", record.ColumnName(i))
		}
	}
	return nil
}
