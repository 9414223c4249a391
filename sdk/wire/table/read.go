package table

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/plume-da/plume/sdk/wire"
)

// Table is a table in memory.
type Table struct {
	Names    []string
	Metadata []map[string]string // of the fields: shape, dims and unit of variables
	Rows     int
	Columns  []any  // []int32, []int64, []float64, []string, or [][]float64 of lists
	Single   []bool // whether the values of a column are stored as float32
	Valid    [][]bool

	only   []string // names of the columns that are read; none: all
	stored []int    // positions of the columns in the file
}

// Column returns the values of the column called name, or nil.
func (t *Table) Column(name string) any {
	for i, n := range t.Names {
		if n == name {
			return t.Columns[i]
		}
	}
	return nil
}

// header is the length of the start of an Arrow file: its magic number, padded to 8 bytes.
const header = 8

// Read reads the table path or, if it does not exist, the part that has been written so
// far. Several paths are read as one table; they must have the same columns. Null numbers
// read as NaN or 0; Valid tells them apart. A damaged file is an error, also if Arrow's
// reader panics.
func Read(paths ...string) (*Table, error) {
	t := &Table{}
	for _, path := range paths {
		if err := t.read(path); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Table) read(path string) error { return scan(path, visitor{schema: t.name, record: t.add}) }

// Scan calls each with the rows of the table path in their order, some at a time, or, if it does not
// exist, with those that have been written so far. If columns are named, only those of
// them that the table has are read. It keeps one record batch in memory or, of the small ones of a
// table that is being written, about 1 MiB of values. An error of each ends it.
func Scan(path string, each func(batch *Table) error, columns ...string) error {
	head := &Table{only: columns}
	record := func(record arrow.Record) error {
		t := head.like()
		if err := t.add(record); err != nil {
			return err
		}
		return each(t)
	}
	return scan(path, visitor{head.name, record, func(s *stored) error { return head.scanStored(s, each) }})
}

// like returns an empty table with the columns of t.
func (t *Table) like() *Table {
	return &Table{Names: t.Names, Metadata: t.Metadata, Single: t.Single, stored: t.stored, Columns: make([]any, len(t.Names)), Valid: make([][]bool, len(t.Names))}
}

// visitor takes what [scan] reads.
type visitor struct {
	schema func(*arrow.Schema) error // is called once, first
	record func(arrow.Record) error
	stored func(*stored) error // if not nil, takes all batches of a part as this package wrote it
}

// scan opens a table and calls schema once and then record with its batches.
//
// The memory of Arrow's readers is bounded by its size, see [wire.Bounded], and their
// panics become errors.
func scan(path string, to visitor) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = wire.Damaged(path+":", p)
		}
	}()
	f, err := openTable(path)
	if err != nil {
		return err
	}
	defer f.Close()
	whole, err := isWhole(f)
	switch {
	case errors.Is(err, errEmpty) && strings.HasSuffix(f.Name(), Part):
		return nil // its writer has not reached the first batch
	case err != nil:
	case !whole && !strings.HasSuffix(f.Name(), Part):
		err = errors.New("is damaged: its end is missing")
	case whole:
		err = scanFile(f, to)
	default:
		err = scanPart(f, to)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// openTable opens the table path or, if it does not exist, its part, which may be renamed
// in the meantime.
func openTable(path string) (f *os.File, err error) {
	for _, name := range []string{path, path + Part, path} {
		if f, err = os.Open(name); !errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	return f, err
}

// errEmpty is the error of a file without a header.
var errEmpty = errors.New("is not an Arrow file")

// isWhole reports whether a file has its footer.
func isWhole(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	head, tail := make([]byte, len(ipc.Magic)), make([]byte, len(ipc.Magic))
	if info.Size() < header {
		return false, errEmpty
	}
	if _, err := f.ReadAt(head, 0); err != nil || !bytes.Equal(head, ipc.Magic) {
		return false, errors.Join(errEmpty, err)
	}
	_, err = f.ReadAt(tail, info.Size()-int64(len(tail)))
	return bytes.Equal(tail, ipc.Magic), err
}

// heldTimes is the memory that Arrow's reader may hold, as a multiple of the size of a table:
// the bytes that it reads and those that they unpack to.
const heldTimes = 1 + mostPacking

// scanFile reads a file with a footer.
func scanFile(f *os.File, to visitor) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := wire.CheckFooter(f, info.Size()); err != nil {
		return err
	}
	r, err := ipc.NewFileReader(f, ipc.WithAllocator(wire.Bounded(info.Size(), heldTimes)))
	if err != nil {
		return err
	}
	defer r.Close()
	if err := to.schema(r.Schema()); err != nil {
		return err
	}
	for i := range r.NumRecords() {
		record, err := r.Record(i)
		if err != nil {
			return err
		}
		if err := to.record(record); err != nil {
			return err
		}
	}
	return nil
}

// scanPart reads a file without a footer up to its last complete batch.
func scanPart(f *os.File, to visitor) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end, err := wire.SchemaEnd(f, header, info.Size())
	if err != nil || end == header { // the schema is incomplete
		return err
	}
	allocator := ipc.WithAllocator(wire.Bounded(info.Size(), heldTimes))
	of := func(end int64) (*ipc.Reader, error) {
		return ipc.NewReader(bufio.NewReaderSize(io.NewSectionReader(f, header, end-header), 1<<16), allocator)
	}
	head, err := of(end)
	if err != nil {
		return err
	}
	defer head.Release()
	if err := to.schema(head.Schema()); err != nil {
		return err
	}
	if to.stored != nil {
		if s := storedAs(f, head.Schema()); s != nil {
			return to.stored(s)
		}
	}
	if end, err = wire.StreamEnd(f, header, info.Size()); err != nil {
		return err
	}
	r, err := of(end)
	if err != nil {
		return err
	}
	defer r.Release()
	for r.Next() {
		if err := to.record(r.Record()); err != nil {
			return err
		}
	}
	return r.Err()
}

// name takes the columns of the first file, and checks that those of others are the same.
func (t *Table) name(s *arrow.Schema) error {
	var names []string
	var metadata []map[string]string
	var single []bool
	t.stored = nil
	for i, f := range s.Fields() {
		if len(t.only) > 0 && !slices.Contains(t.only, f.Name) {
			continue
		}
		names, metadata, single, t.stored = append(names, f.Name), append(metadata, f.Metadata.ToMap()), append(single, elementOf(f.Type).ID() == arrow.FLOAT32), append(t.stored, i)
	}
	if t.Names != nil && !slices.Equal(names, t.Names) {
		return fmt.Errorf("columns: got %v, want %v", names, t.Names)
	}
	if t.Names == nil {
		t.Names, t.Metadata, t.Single, t.Columns, t.Valid = names, metadata, single, make([]any, len(names)), make([][]bool, len(names))
	}
	return nil
}

// add appends the rows of a record batch.
func (t *Table) add(record arrow.Record) (err error) {
	all := allTrue(nil, int(record.NumRows())) // most columns have no nulls
	for i, at := range t.stored {
		c := record.Column(at)
		if int64(c.Len()) != record.NumRows() {
			return fmt.Errorf("column %s: has %d rows, but the batch has %d", t.Names[i], c.Len(), record.NumRows())
		}
		if t.Columns[i], err = appended(t.Columns[i], c); err != nil {
			return fmt.Errorf("column %s: %w", t.Names[i], err)
		}
		if !wire.Holds(c) {
			return fmt.Errorf("column %s: %w", t.Names[i], errDamaged)
		}
		if t.Valid[i] == nil && c.NullN() == 0 {
			t.Valid[i] = slices.Clip(all)
		} else {
			t.Valid[i] = appendValid(t.Valid[i], c)
		}
	}
	t.Rows += int(record.NumRows())
	return nil
}

// appendValid appends to valid whether each value of c is not null.
func appendValid(valid []bool, c arrow.Array) []bool {
	from := len(valid)
	valid = allTrue(valid, c.Len())
	if c.NullN() > 0 {
		for k := range c.Len() {
			valid[from+k] = c.IsValid(k)
		}
	}
	return valid
}

// allTrue appends n times true.
func allTrue(valid []bool, n int) []bool {
	from := len(valid)
	valid = slices.Grow(valid, n)[:from+n]
	if n > 0 {
		valid[from] = true
		for k := 1; k < n; k *= 2 {
			copy(valid[from+k:], valid[from:from+k])
		}
	}
	return valid
}

// joined returns values, a slice or nil, followed by more. The first ones share the memory that
// Arrow's reader made for them: it is not used again, and is collected with them.
func joined[T int32 | int64 | float64](values any, more []T) []T {
	if v, _ := values.([]T); len(v) > 0 {
		return append(v, more...)
	}
	return slices.Clip(more)
}

// appended returns values followed by the values of c.
func appended(values any, c arrow.Array) (any, error) {
	switch c := c.(type) {
	case *array.Int32:
		return joined(values, c.Int32Values()), nil
	case *array.Int64:
		return joined(values, c.Int64Values()), nil
	case *array.Float64:
		v, _ := values.([]float64)
		if c.NullN() == 0 {
			return joined(values, c.Float64Values()), nil
		}
		return appendNumbers(v, c, 0, c.Len()), nil
	case *array.Float32:
		v, _ := values.([]float64)
		return appendNumbers(v, c, 0, c.Len()), nil
	case *array.String:
		v, _ := values.([]string)
		v = slices.Grow(v, c.Len())
		for k := range c.Len() {
			v = append(v, c.Value(k))
		}
		return v, nil
	case *array.FixedSizeList:
		v, _ := values.([][]float64)
		for k := range c.Len() {
			from, to := c.ValueOffsets(k)
			row := make([]float64, 0, to-from)
			switch items := c.ListValues().(type) {
			case *array.Float64:
				row = appendNumbers(row, items, int(from), int(to))
			case *array.Float32:
				row = appendNumbers(row, items, int(from), int(to))
			default:
				return nil, fmt.Errorf("is a list of %s", items.DataType())
			}
			v = append(v, row)
		}
		return v, nil
	}
	return nil, fmt.Errorf("is of type %s, which plume does not write", c.DataType())
}

// floats is an array of float32 or float64.
type floats[T float32 | float64] interface {
	arrow.Array
	Value(i int) T
}

// appendNumbers appends the values of c from a row to another; null is NaN.
func appendNumbers[T float32 | float64, A floats[T]](out []float64, c A, from, to int) []float64 {
	some := c.NullN() > 0
	for k := from; k < to; k++ {
		v := float64(c.Value(k))
		if some && c.IsNull(k) {
			v = math.NaN()
		}
		out = append(out, v)
	}
	return out
}
