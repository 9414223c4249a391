package table

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow/go/v17/arrow"
)

// ErrColumns is the error of [Concat] for tables whose columns differ.
var ErrColumns = errors.New("the columns differ")

// Concat writes the rows of parts, in order, as one table with one record batch
// per part that has rows. No column may be Packed. If their columns differ it writes
// nothing and returns ErrColumns. Cost: one part in memory.
func Concat(path string, parts []string) (err error) {
	e, err := encodingOf(parts[0])
	if err != nil {
		return fmt.Errorf("%s: %w", parts[0], err)
	}
	w, err := e.create(path, path+Part, nil)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := w.appendAll(part); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", part, err), w.Abandon(), os.Remove(path+Part))
		}
	}
	return w.Close()
}

// encodingOf returns how the table path, which has been closed, is stored.
func encodingOf(path string) (*encoding, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if whole, err := isWhole(f); err != nil || !whole {
		return nil, errors.Join(errDamaged, err)
	}
	var schema *arrow.Schema
	err = scanFile(f, func(s *arrow.Schema) error {
		schema = s
		return nil
	}, func(arrow.Record) error { return io.EOF })
	if schema == nil {
		return nil, err
	}
	return newEncoding(schema)
}

// appendAll writes all rows of the table path as one record batch.
func (w *Writer) appendAll(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := openStored(f, w.encoding)
	if err != nil {
		return err
	}
	rows, batch := 0, make([]vector, len(w.fields))
	for i := range w.vectors {
		w.vectors[i] = vector{values: w.own[i][1][:0], text: w.own[i][2][:0]}
	}
	for {
		err := s.next(batch)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		for i, f := range w.fields {
			if err := w.vectors[i].concatenate(f, rows, batch[i], s.rows); err != nil {
				return err
			}
		}
		rows += s.rows
	}
	for i, a := range w.vectors {
		w.own[i][1], w.own[i][2] = a.values, a.text
	}
	if rows == 0 {
		return nil
	}
	return w.writeBatch(rows)
}
