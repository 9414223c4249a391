package table

import (
	"errors"
	"fmt"
	"os"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// next is what is added to the name of a part that is being copied.
const next = ".next"

// Continue goes on with a table that was written in part or closed too early: it
// copies the record batches whose rows are of cycles up to through into a new part,
// which then stands for the old one, and returns its writer. columns must be those the
// table has, one of them "cycle". What was stored is not touched before the copy is
// whole. It returns the cycle of the last row, 0 without rows.
func Continue(path string, columns []Column, through int) (_ *Writer, last int, err error) {
	w, err := create(path, path+Part+next, columns, nil)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if p := recover(); p != nil { // Arrow's reader panics over some damaged files
			err = fmt.Errorf("%s: is damaged: %v", path, p)
		}
		if err != nil {
			err = errors.Join(err, w.Abandon(), os.Remove(path+Part+next))
		}
	}()
	index := w.schema.FieldIndices("cycle")
	same := func(s *arrow.Schema) error {
		if len(index) != 1 || !s.Equal(w.schema) {
			return ErrColumns
		}
		return nil
	}
	err = scan(path, same, func(record arrow.Record) error {
		cycles, ok := record.Column(index[0]).(*array.Int32)
		if !ok || cycles.Len() == 0 || int(cycles.Value(cycles.Len()-1)) > through {
			return nil
		}
		last = int(cycles.Value(cycles.Len() - 1))
		return w.arrow.Write(record)
	})
	if err != nil {
		return nil, 0, err
	}
	if err = errors.Join(w.buffer.Flush(), os.Rename(path+Part+next, path+Part)); err != nil {
		return nil, 0, err
	}
	if err = os.Remove(path); errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return w, last, err
}
