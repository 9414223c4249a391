package table

import (
	"errors"
	"fmt"
	"os"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// ErrColumns is the error of [Concat] for tables whose columns differ.
var ErrColumns = errors.New("the columns differ")

// Concat writes the rows of parts, in order, as one table with one record batch
// per part that has rows. When their columns differ it writes nothing and returns
// ErrColumns.
func Concat(path string, parts []string) error {
	if err := sameColumns(parts); err != nil {
		return err
	}
	var w *Writer
	for _, part := range parts {
		records, schema, err := readRecords(part)
		if err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
		if w == nil {
			if w, err = createLike(path, path+Part, schema); err != nil {
				return err
			}
		}
		if err := w.appendAll(records); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", part, err), w.Abandon())
		}
	}
	return w.Close()
}

func sameColumns(parts []string) error {
	var first *arrow.Schema
	for _, part := range parts {
		schema, err := readSchema(part)
		if err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
		if first == nil {
			first = schema
		}
		if !schema.Equal(first) {
			return fmt.Errorf("%s: %w from those of %s", part, ErrColumns, parts[0])
		}
	}
	return nil
}

func readSchema(path string) (*arrow.Schema, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := ipc.NewFileReader(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Schema(), nil
}

func readRecords(path string) ([]arrow.Record, *arrow.Schema, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	r, err := ipc.NewFileReader(f)
	if err != nil {
		return nil, nil, err
	}
	var records []arrow.Record
	for i := range r.NumRecords() {
		record, err := r.RecordAt(i)
		if err != nil {
			return nil, nil, err
		}
		records = append(records, record)
	}
	return records, r.Schema(), nil
}

// appendAll writes all rows of records as one record batch.
func (w *Writer) appendAll(records []arrow.Record) error {
	if len(records) == 0 {
		return nil
	}
	rows := int64(0)
	columns := make([]arrow.Array, w.schema.NumFields())
	for _, r := range records {
		rows += r.NumRows()
	}
	for i := range columns {
		pieces := make([]arrow.Array, len(records))
		for k, r := range records {
			pieces[k] = r.Column(i)
		}
		var err error
		if columns[i], err = array.Concatenate(pieces, memory.DefaultAllocator); err != nil {
			return err
		}
	}
	return w.writeBatch(array.NewRecord(w.schema, columns, rows))
}
