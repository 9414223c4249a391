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
// per part that has rows, or several for a part that is large. No column may be Packed. If their columns differ it writes
// nothing and returns ErrColumns. Cost: one batch in memory.
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
	err = scanFile(f, visitor{
		schema: func(s *arrow.Schema) error {
			schema = s
			return nil
		}, record: func(arrow.Record) error { return io.EOF },
	})
	if schema == nil {
		return nil, err
	}
	return newEncoding(schema)
}

// batchBytes is about the largest record batch of tables that are put together: what is read of
// one table is kept until it is written.
var batchBytes = 8 << 20 // less in tests

// appendAll writes all rows of the table path, as one record batch unless it is too large.
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
	w.empty()
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
		if rows += s.rows; w.held() >= batchBytes {
			if err := w.writeHeld(rows); err != nil {
				return err
			}
			rows = 0
		}
	}
	return w.writeHeld(rows)
}

// empty makes the vectors empty, with the memory that they have.
func (w *Writer) empty() {
	for i := range w.vectors {
		w.vectors[i] = vector{values: w.own[i][1][:0], text: w.own[i][2][:0]}
	}
}

// held returns the number of bytes in the vectors.
func (w *Writer) held() (bytes int) {
	for _, v := range w.vectors {
		bytes += len(v.values) + len(v.text)
	}
	return bytes
}

// writeHeld writes the vectors, which have rows rows, and makes them empty.
func (w *Writer) writeHeld(rows int) error {
	for i, v := range w.vectors {
		w.own[i][1], w.own[i][2] = v.values, v.text
	}
	if rows == 0 {
		return nil
	}
	if err := w.writeBatch(rows); err != nil {
		return err
	}
	w.empty()
	return nil
}
