package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
)

// next is the suffix of the name of a part that is being copied.
const next = ".next"

// Continue continues a table that was written in part or closed too early: it copies the
// record batches with rows of cycles up to through into a new part, which then replaces
// the old one, and returns its writer. columns must be those of the table, one of them
// "cycle". The old file is not modified before the copy is complete. Continue also returns
// the cycle of the last row; 0 without rows.
func Continue(path string, columns []Column, through int) (_ *Writer, last int, err error) {
	f, err := openTable(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	w, err := create(path, path+Part+next, columns, nil)
	if err != nil {
		return nil, 0, err
	}
	if last, err = w.copyThrough(f, through); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("%s: %w", path, err), w.Abandon(), os.Remove(path+Part+next))
	}
	if err = os.Rename(path+Part+next, path+Part); err != nil {
		return nil, 0, errors.Join(err, w.Abandon())
	}
	if err = os.Remove(path); errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return w, last, err
}

// copyThrough copies the batches of f that were written up to cycle through and returns that of the last:
// that in the column cycle or, with a column lag, so many cycles later.
func (w *Writer) copyThrough(f *os.File, through int) (last int, err error) {
	column := func(name string) int {
		return slices.IndexFunc(w.fields, func(f field) bool { return f.name == name && f.id == arrow.INT32 })
	}
	index, lags := column("cycle"), column("lag")
	if index < 0 {
		return 0, ErrColumns
	}
	s, err := openStored(f, w.encoding)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return 0, nil // the writer did not reach its first batch
	}
	for err == nil {
		if err = s.next(w.vectors); err != nil {
			break
		}
		cycles := w.vectors[index].values
		if len(cycles) == 0 {
			continue
		}
		cycle := int(int32(binary.LittleEndian.Uint32(cycles[len(cycles)-4:])))
		if lags >= 0 {
			lag := w.vectors[lags].values
			cycle += int(int32(binary.LittleEndian.Uint32(lag[len(lag)-4:])))
		}
		if cycle > through {
			break
		}
		last, err = cycle, w.writeBatch(s.rows)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return last, err
}
