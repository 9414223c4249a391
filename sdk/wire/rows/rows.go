// Package rows reads tables that others wrote, Parquet files and Arrow IPC files,
// row by row: numbers, texts and times, whatever their physical type.
//
// Files are read by Arrow's own readers, which trust them. A panic of theirs
// becomes an error, what they hold is bounded by the size of the file, see
// [wire.Bounded], and so is the time for one batch.
package rows

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
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
	Wall         // Cell.Time, of a clock on a wall: in UTC, but of an unknown zone
)

// Cell is one value of a row.
type Cell struct {
	Kind   Kind
	Number float64
	Text   string
	Time   time.Time
}

// Reader reads the rows of one file. It is not safe for concurrent use.
type Reader struct {
	file    *os.File
	size    int64
	names   []string
	open    func(columns []int) (batches, error)
	batches batches
	record  arrow.Record // the batch; nil before the first
	columns []column
	row     int // next one of the batch
	rows    int // of the batch
}

// batches are the record batches of a file, in order.
type batches interface {
	Next() bool
	Record() arrow.Record
	Err() error
}

// Extensions are the endings of the names of files that Open takes.
var Extensions = []string{".arrow", ".feather", ".parquet"}

// Open opens a file, whose kind its name tells. Close the result.
func Open(path string) (_ *Reader, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{file: f}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
		}
	}()
	defer rescue(&err)
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r.size = info.Size()
	if filepath.Ext(path) == ".parquet" {
		return r, r.parquet()
	}
	return r, r.ipc()
}

// rescue turns a panic of Arrow's readers into an error.
func rescue(err *error) {
	if fault := recover(); fault != nil {
		*err = fmt.Errorf("the file is damaged: %v", fault)
	}
}

func (r *Reader) ipc() error {
	if err := wire.CheckFooter(r.file, r.size); err != nil {
		return err
	}
	in, err := ipc.NewFileReader(r.file, ipc.WithAllocator(wire.Bounded(r.size, wire.AnyPacking)))
	if err != nil {
		return err
	}
	for _, f := range in.Schema().Fields() {
		r.names = append(r.names, f.Name)
	}
	r.open = func(columns []int) (batches, error) { return &chosen{in: in, columns: columns}, nil }
	return nil
}

func (r *Reader) parquet() error {
	memory := wire.Bounded(r.size, wire.AnyPacking)
	in, err := file.NewParquetReader(r.file, file.WithReadProps(parquet.NewReaderProperties(memory)))
	if err != nil {
		return err
	}
	for i := range in.NumRowGroups() {
		for _, c := range in.MetaData().RowGroups[i].Columns {
			if size := c.MetaData.GetTotalCompressedSize(); size < 0 || size > r.size {
				return fmt.Errorf("the file is damaged: a column of %d bytes in a file of %d", size, r.size)
			}
		}
	}
	p, err := pqarrow.NewFileReader(in, pqarrow.ArrowReadProperties{BatchSize: 1 << 14}, memory)
	if err != nil {
		return err
	}
	for i := range p.Manifest.Fields {
		field := p.Manifest.Fields[i].Field
		r.names = append(r.names, field.Name)
		// dictionaries of several row groups cannot be read as such
		if d, ok := field.Type.(*arrow.DictionaryType); ok {
			field.Type = d.ValueType
		}
	}
	r.open = func(columns []int) (batches, error) {
		var leaves []int // columns of the file: nested ones take several
		for _, c := range columns {
			i := in.MetaData().Schema.ColumnIndexByName(r.names[c])
			if i < 0 {
				return nil, fmt.Errorf("column %q is nested", r.names[c])
			}
			leaves = append(leaves, i)
		}
		slices.Sort(leaves)
		b, err := p.GetRecordReader(context.Background(), slices.Compact(leaves), nil)
		if err != nil {
			return nil, err
		}
		return &named{RecordReader: b, names: r.names, columns: columns}, nil
	}
	return nil
}

// chosen is the batches of an IPC file, of some columns.
type chosen struct {
	in      *ipc.FileReader
	columns []int
	next    int
	record  arrow.Record
	err     error
}

func (c *chosen) Next() bool {
	if c.next == c.in.NumRecords() {
		return false
	}
	whole, err := c.in.Record(c.next)
	if c.err = err; err != nil {
		return false
	}
	c.next++
	c.record = pick(whole, c.columns)
	return true
}

func (c *chosen) Record() arrow.Record { return c.record }
func (c *chosen) Err() error           { return c.err }

func pick(r arrow.Record, columns []int) arrow.Record {
	fields, arrays := make([]arrow.Field, len(columns)), make([]arrow.Array, len(columns))
	for i, c := range columns {
		fields[i], arrays[i] = r.Schema().Field(c), r.Column(c)
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), arrays, r.NumRows())
}

// named is the batches of a Parquet file, whose columns come in the file's order.
type named struct {
	pqarrow.RecordReader
	names   []string
	columns []int
	err     error // why the last batch is not there, when the reader does not know
}

// patience is how long the reader of a Parquet file may take for 16384 rows: in damaged
// pages it may go in circles for ever.
var patience = time.Minute

func (n *named) Next() bool {
	type answer struct {
		more bool
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() { done <- a }()
		defer rescue(&a.err)
		a.more = n.RecordReader.Next()
	}()
	select {
	case a := <-done:
		n.err = a.err
		return a.more
	case <-time.After(patience):
		n.err = fmt.Errorf("the file is damaged: its reader makes no progress for %v", patience)
		return false
	}
}

func (n *named) Err() error {
	if n.err != nil {
		return n.err
	}
	return n.RecordReader.Err()
}

func (n *named) Record() arrow.Record {
	r := n.RecordReader.Record()
	where := make([]int, len(n.columns))
	for i, c := range n.columns {
		where[i] = r.Schema().FieldIndices(n.names[c])[0]
	}
	return pick(r, where)
}

// Names returns the names of all columns.
func (r *Reader) Names() []string { return r.names }

// Select says which columns Next returns, by their index among Names. It comes
// before the first Next.
func (r *Reader) Select(columns []int) (err error) {
	defer rescue(&err)
	r.batches, err = r.open(columns)
	return err
}

// Next fills cells with the next row, one for every selected column. It returns
// false at the end.
func (r *Reader) Next(cells []Cell) (ok bool, err error) {
	defer rescue(&err)
	for r.row == r.rows {
		if r.record != nil {
			r.record.Release() // no cell keeps it
			r.record = nil
		}
		if !r.batches.Next() {
			if err := r.batches.Err(); !errors.Is(err, io.EOF) { // the Parquet reader's end
				return false, err
			}
			return false, nil
		}
		r.record = r.batches.Record()
		if err := r.load(r.record); err != nil {
			return false, err
		}
	}
	for i, c := range r.columns {
		if c.array.IsNull(r.row) {
			cells[i] = Cell{}
		} else {
			cells[i] = c.cell(r.row)
		}
	}
	r.row++
	return true, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }

// column is one column of a batch and how to read a value of it.
type column struct {
	array arrow.Array
	cell  func(row int) Cell
}

func (r *Reader) load(record arrow.Record) error {
	r.row, r.rows, r.columns = 0, int(record.NumRows()), r.columns[:0]
	for i, a := range record.Columns() {
		cell, err := reading(a)
		if err != nil {
			return fmt.Errorf("column %q: %w", record.ColumnName(i), err)
		}
		r.columns = append(r.columns, column{a, cell})
	}
	return nil
}

// reading returns how to read a value of a that is not null.
func reading(a arrow.Array) (func(row int) Cell, error) {
	switch a := a.(type) {
	case *array.Float64:
		return numbers(a.Value), nil
	case *array.Float32:
		return numbers(a.Value), nil
	case *array.Int64:
		return numbers(a.Value), nil
	case *array.Int32:
		return numbers(a.Value), nil
	case *array.Int16:
		return numbers(a.Value), nil
	case *array.Int8:
		return numbers(a.Value), nil
	case *array.Uint64:
		return numbers(a.Value), nil
	case *array.Uint32:
		return numbers(a.Value), nil
	case *array.Uint16:
		return numbers(a.Value), nil
	case *array.Uint8:
		return numbers(a.Value), nil
	case *array.Decimal128:
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		return func(row int) Cell { return Cell{Kind: Number, Number: a.Value(row).ToFloat64(scale)} }, nil
	case *array.Boolean:
		return func(row int) Cell {
			if a.Value(row) {
				return Cell{Kind: Number, Number: 1}
			}
			return Cell{Kind: Number}
		}, nil
	case *array.String:
		return texts(a.Value), nil
	case *array.LargeString:
		return texts(a.Value), nil
	case *array.StringView:
		return texts(a.Value), nil
	case *array.Date32:
		return times(Wall, func(row int) time.Time { return a.Value(row).ToTime() }), nil
	case *array.Date64:
		return times(Wall, func(row int) time.Time { return a.Value(row).ToTime() }), nil
	case *array.Timestamp:
		t := a.DataType().(*arrow.TimestampType)
		kind := Instant
		if t.TimeZone == "" {
			kind = Wall
		}
		return times(kind, func(row int) time.Time { return a.Value(row).ToTime(t.Unit) }), nil
	case *array.Dictionary:
		inner, err := reading(a.Dictionary())
		return func(row int) Cell { return inner(a.GetValueIndex(row)) }, err
	}
	return nil, fmt.Errorf("is of type %s, which holds no numbers, texts or times", a.DataType())
}

func numbers[T float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](value func(int) T) func(int) Cell {
	return func(row int) Cell { return Cell{Kind: Number, Number: float64(value(row))} }
}

// texts copies, so that a text does not keep its batch in memory.
func texts(value func(int) string) func(int) Cell {
	return func(row int) Cell { return Cell{Kind: Text, Text: strings.Clone(value(row))} }
}

func times(kind Kind, value func(int) time.Time) func(int) Cell {
	return func(row int) Cell { return Cell{Kind: kind, Time: value(row).UTC()} }
}
