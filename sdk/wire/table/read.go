package table

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
)

// Table is a table in memory.
type Table struct {
	Names   []string
	Rows    int
	Columns []any // []int32, []int64, []float64, []string, or [][]float64 of lists
	Valid   [][]bool
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

// header is what an Arrow file starts with: its magic number, padded to 8 bytes.
const header = 8

// Read reads the table path, or, when that is not there, what has been written
// of it so far. Null numbers read as NaN or 0; Valid tells them apart.
func Read(path string) (*Table, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		text, err = os.ReadFile(path + Part)
	}
	if err != nil {
		return nil, err
	}
	if len(text) < header || !bytes.HasPrefix(text, ipc.Magic) {
		return nil, fmt.Errorf("%s: is no Arrow file", path)
	}
	t := &Table{}
	if bytes.HasSuffix(text, ipc.Magic) {
		err = t.readFile(text)
	} else {
		err = t.readPart(text[header:])
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// readFile reads a file that has its footer.
func (t *Table) readFile(text []byte) error {
	r, err := ipc.NewFileReader(bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer r.Close()
	t.name(r.Schema())
	for i := range r.NumRecords() {
		record, err := r.Record(i)
		if err != nil {
			return err
		}
		if err := t.add(record); err != nil {
			return err
		}
	}
	return nil
}

// readPart reads a file without footer up to its last whole batch.
func (t *Table) readPart(text []byte) error {
	r, err := ipc.NewReader(bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer r.Release()
	t.name(r.Schema())
	for r.Next() {
		if err := t.add(r.Record()); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil && !cut(err) {
		return err
	}
	return nil
}

func (t *Table) name(s *arrow.Schema) {
	for _, f := range s.Fields() {
		t.Names = append(t.Names, f.Name)
	}
	t.Columns, t.Valid = make([]any, len(t.Names)), make([][]bool, len(t.Names))
}

// add appends the rows of a record batch.
func (t *Table) add(record arrow.Record) (err error) {
	for i, c := range record.Columns() {
		if t.Columns[i], err = appended(t.Columns[i], c); err != nil {
			return fmt.Errorf("column %s: %w", t.Names[i], err)
		}
		for k := range c.Len() {
			t.Valid[i] = append(t.Valid[i], c.IsValid(k))
		}
	}
	t.Rows += int(record.NumRows())
	return nil
}

// cut says whether a stream ended in the middle of a batch, which the last batch
// of an unfinished file may.
func cut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// appended returns values followed by those of c.
func appended(values any, c arrow.Array) (any, error) {
	switch c := c.(type) {
	case *array.Int32:
		v, _ := values.([]int32)
		return append(v, c.Int32Values()...), nil
	case *array.Int64:
		v, _ := values.([]int64)
		return append(v, c.Int64Values()...), nil
	case *array.Float64:
		v, _ := values.([]float64)
		for k := range c.Len() {
			v = append(v, orNaN(c, k))
		}
		return v, nil
	case *array.String:
		v, _ := values.([]string)
		for k := range c.Len() {
			v = append(v, c.Value(k))
		}
		return v, nil
	case *array.FixedSizeList:
		v, _ := values.([][]float64)
		items, ok := c.ListValues().(*array.Float64)
		if !ok {
			return nil, fmt.Errorf("is a list of %s", c.ListValues().DataType())
		}
		for k := range c.Len() {
			from, to := c.ValueOffsets(k)
			row := make([]float64, 0, to-from)
			for i := from; i < to; i++ {
				row = append(row, orNaN(items, int(i)))
			}
			v = append(v, row)
		}
		return v, nil
	}
	return nil, fmt.Errorf("is of type %s, which plume does not write", c.DataType())
}

func orNaN(c *array.Float64, k int) float64 {
	if c.IsNull(k) {
		return math.NaN()
	}
	return c.Value(k)
}
