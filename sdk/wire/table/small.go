package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
)

// scanBytes is about how many bytes of the values of small record batches are read as one.
var scanBytes = 1 << 20 // less in tests

// storedAs returns a reader of the batches of a part with this schema if they are stored as this version
// of this package stores them, and otherwise nil: Arrow's reader reads others.
func storedAs(f *os.File, schema *arrow.Schema) *stored {
	for _, c := range schema.Fields() {
		if !isWritten(c.Type) {
			return nil
		}
	}
	for _, packed := range [][]int{nil, {0}} { // which of the columns are packed does not matter
		e, err := newEncoding(schema, packed...)
		if err != nil {
			return nil
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil
		}
		s, err := openStored(f, e)
		if err != nil {
			return nil
		}
		start, err := s.file.Peek(metadataPrefix)
		if err != nil || metadataPrefix+int(binary.LittleEndian.Uint32(start[4:])) == len(e.batch) {
			return s
		}
	}
	return nil
}

// isWritten reports whether a column has one of the types of [Type].
func isWritten(t arrow.DataType) bool {
	id := elementOf(t).ID()
	if t.ID() == arrow.FIXED_SIZE_LIST {
		return id == arrow.FLOAT32 || id == arrow.FLOAT64
	}
	return slices.Contains([]arrow.Type{arrow.INT32, arrow.INT64, arrow.FLOAT32, arrow.FLOAT64, arrow.STRING}, id)
}

// scanStored calls each with the rows of the batches of s, those of small batches together.
func (t *Table) scanStored(s *stored, each func(*Table) error) error {
	s.only = t.stored
	batch, held := make([]vector, len(s.fields)), make([]vector, len(s.fields))
	for rows, size := 0, 0; ; {
		err := s.next(batch)
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return err
		}
		if !end {
			for _, i := range t.stored {
				if err := held[i].concatenate(s.fields[i], rows, batch[i], s.rows); err != nil {
					return err
				}
				size += len(batch[i].values) + len(batch[i].text)
			}
			rows += s.rows
			more, bytes, err := s.takeAlike(held, batch, rows)
			if err != nil {
				return err
			}
			rows, size = rows+more, size+bytes
		}
		if rows > 0 && (end || size >= scanBytes) {
			next, err := t.of(s.fields, held, rows)
			if err != nil {
				return err
			}
			if err := each(next); err != nil {
				return err
			}
			held, rows, size = emptied(held), 0, 0
		}
		if end {
			return nil
		}
	}
}

// takeAlike appends to held, which have rows rows, the columns of those of the following batches that have been
// read from the file and have the same metadata as the last one, column by column: their values are at the
// same places, which takes a fraction of the time. batch is used on the way. It returns the number of rows, and the
// size of what was read.
func (s *stored) takeAlike(held, batch []vector, rows int) (more, size int, err error) {
	if s.prefix > 0 { // the buffers say themselves how they are packed
		return 0, 0, nil
	}
	there, _ := s.file.Peek(s.file.Buffered())
	stride, n := len(s.batch)+len(s.body), 0
	for n*stride+stride <= len(there) && int64(len(s.body)) <= s.left-int64(n*stride) && bytes.Equal(there[n*stride:][:len(s.batch)], s.known) {
		n++
	}
	body := func(k int) []byte { return there[k*stride+len(s.batch):][:len(s.body)] }
	for _, i := range s.only {
		f, values := s.fields[i], s.valuesAt[i]
		size += n * (values.to - values.from)
		if s.nulls[i].nulls == 0 && f.width > 0 && held[i].validity == nil {
			for k := range n {
				held[i].values = append(held[i].values, body(k)[values.from:values.to]...)
			}
			continue
		}
		for k := range n {
			if err := s.takeFrom(body(k), batch, i); err != nil {
				return 0, 0, err
			}
			size += len(batch[i].text)
			if err := held[i].concatenate(f, rows+k*s.rows, batch[i], s.rows); err != nil {
				return 0, 0, err
			}
		}
	}
	s.left -= int64(n * stride)
	_, err = s.file.Discard(n * stride)
	return n * s.rows, size, err
}

// emptied returns vectors with room for as many values, in new memory.
func emptied(like []vector) []vector {
	list := make([]vector, len(like))
	for i, v := range like {
		list[i].values, list[i].text = make([]byte, 0, len(v.values)), make([]byte, 0, len(v.text))
	}
	return list
}

// of returns the table of rows rows of vectors, whose memory it shares.
func (t *Table) of(fields []field, vectors []vector, rows int) (*Table, error) {
	out := t.like()
	out.Rows = rows
	all := allTrue(nil, rows) // most columns have no nulls
	for i, at := range t.stored {
		f, v := fields[at], vectors[at]
		valid := slices.Clip(all)
		if v.nulls > 0 || f.items != 1 {
			valid = v.valid(rows * f.items)
		}
		switch {
		case f.width == 0:
			texts, ok := v.texts(rows)
			if !ok {
				return nil, errDamaged
			}
			out.Columns[i] = texts
		case f.id == arrow.INT32:
			out.Columns[i] = arrow.Int32Traits.CastFromBytes(v.values)
		case f.id == arrow.INT64:
			out.Columns[i] = arrow.Int64Traits.CastFromBytes(v.values)
		case f.id == arrow.FIXED_SIZE_LIST:
			values, lists := v.numbers(f, valid), make([][]float64, rows)
			for k := range lists {
				lists[k] = slices.Clone(values[k*f.items : (k+1)*f.items]) // some are kept, which the others must not be
			}
			out.Columns[i], valid = lists, slices.Clip(all)
		default:
			out.Columns[i] = v.numbers(f, valid)
		}
		out.Valid[i] = valid
	}
	return out, nil
}

// valid returns whether each of n values is not null.
func (v *vector) valid(n int) []bool {
	list := allTrue(nil, n)
	if v.nulls > 0 {
		for k := range list {
			list[k] = v.validity[k/8]>>(k%8)&1 == 1
		}
	}
	return list
}

// numbers returns the values of a column of float32 or float64; null is NaN.
func (v *vector) numbers(f field, valid []bool) []float64 {
	var list []float64
	if f.single() {
		list = make([]float64, len(valid))
		for k, x := range arrow.Float32Traits.CastFromBytes(v.values) {
			list[k] = float64(x)
		}
	} else {
		list = arrow.Float64Traits.CastFromBytes(v.values)
	}
	if v.nulls > 0 {
		for k, there := range valid {
			if !there {
				list[k] = math.NaN()
			}
		}
	}
	return list
}

// texts returns the values of a column of texts, and false if its offsets are damaged.
func (v *vector) texts(rows int) ([]string, bool) {
	all, list, from := string(v.text), make([]string, rows), uint32(0)
	for k := range list {
		to := binary.LittleEndian.Uint32(v.values[4*(k+1):])
		if to < from || int(to) > len(all) {
			return nil, false
		}
		list[k], from = all[from:to], to
	}
	return list, true
}
