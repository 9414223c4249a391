package table

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"gonum.org/v1/gonum/mat"
)

// Block is the values of a layout in some rows, N x n. A column of type Values
// takes the values of its variable.
type Block struct {
	Matrix *mat.Dense
	// Null says that NaN is written as null, for observations, where NaN means missing.
	Null bool
}

// Writer writes one table. It is not safe for concurrent use.
type Writer struct {
	*encoding
	path    string
	columns []Column
	file    *os.File
	at      int64     // length of the file
	sum     hash.Hash // of the file
	blocks  blocks
	beyond  int // values that float32 cannot hold

	vectors []vector // of the batch; their memory, unless they share that of the values, and the fields below are reused
	own     [][3][]byte
	buffers []chunk
	frames  []byte // of buffers that are packed
	out     []byte
}

// Part is the suffix of the name of a file while it is being written.
const Part = ".part"

// Create starts the table path. metadata goes into the schema, in the order of
// its keys.
func Create(path string, columns []Column, metadata map[string]string) (*Writer, error) {
	return create(path, path+Part, columns, metadata)
}

// create starts the table path in a file of another name.
func create(path, file string, columns []Column, metadata map[string]string) (*Writer, error) {
	e, err := encodingFor(columns, metadata)
	if err != nil {
		return nil, err
	}
	return e.create(path, file, columns)
}

// encodingFor returns the encoding of a table with the given columns.
func encodingFor(columns []Column, metadata map[string]string) (*encoding, error) {
	fields := make([]arrow.Field, len(columns))
	var packed []int
	for i, c := range columns {
		if fields[i] = c.field(); c.Packed {
			packed = append(packed, i)
		}
	}
	keys := slices.Sorted(maps.Keys(metadata))
	values := make([]string, len(keys))
	for i, k := range keys {
		values[i] = metadata[k]
	}
	m := arrow.NewMetadata(keys, values)
	return newEncoding(arrow.NewSchema(fields, &m), packed...)
}

// create starts the table path in a new file of another name, which takes the place of an
// old one: a link with that name is not followed.
func (e *encoding) create(path, file string, columns []Column) (*Writer, error) {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	w := &Writer{encoding: e, path: path, columns: columns, file: f, sum: sha256.New(), vectors: make([]vector, len(e.fields)), own: make([][3][]byte, len(e.fields))}
	w.out = append(w.out, e.start...)
	return w, nil
}

// Append writes one record batch of rows rows. There is one item of values per
// column: a slice of the Go type for its Type, a Nullable of that type or, for columns of
// type Values, a Block. A Block may be given for several consecutive columns, which take
// its columns in order. The values have been passed to the operating system when Append
// returns.
func (w *Writer) Append(rows int, values ...any) error {
	offset, next := 0, 0 // in the current block; of values
	for i, c := range w.columns {
		if next == len(values) {
			return fmt.Errorf("table %s: no values for column %s", w.path, c.Name)
		}
		var n int
		if block, ok := values[next].(Block); ok && c.Type == Values {
			n = w.variable(i, block, offset)
			if offset += c.Variable.Size(); offset == block.Matrix.RawMatrix().Cols {
				offset, next = 0, next+1
			}
		} else {
			n = w.column(i, values[next])
			next++
		}
		if n != rows {
			return fmt.Errorf("table %s: column %s does not take %T of %d rows", w.path, c.Name, values[max(0, next-1)], rows)
		}
	}
	return w.writeBatch(rows)
}

// directly is the size from which buffers are written without a copy.
const directly = 1 << 18

// writeBatch writes rows rows of the vectors.
func (w *Writer) writeBatch(rows int) error {
	w.buffers, w.frames = w.chunks(w.buffers[:0], w.frames[:0], w.vectors)
	for i, f := range w.fields {
		if f.single() {
			w.beyond += w.vectors[i].nulls
		}
	}
	from := len(w.out) // the first time after the beginning of the file
	var body int
	w.out, body = w.appendMetadata(w.out, rows, w.vectors, w.buffers)
	w.blocks.add(block{w.at + int64(from), int64(body)})
	var err error
	for _, c := range w.buffers {
		if w.length(c) > len(c.data) {
			w.out = binary.LittleEndian.AppendUint64(w.out, uint64(c.size))
		}
		if len(c.data) < directly {
			w.out = append(w.out, c.data...)
		} else {
			err = errors.Join(err, w.flush(w.out), w.flush(c.data))
			w.out = w.out[:0]
		}
		w.out = append(w.out, zeros[:padded(len(c.data))-len(c.data)]...)
	}
	return errors.Join(err, w.flushOut())
}

var zeros [8]byte

func (w *Writer) flush(b []byte) error {
	n, err := w.file.Write(b)
	w.at += int64(n)
	w.sum.Write(b[:n])
	return err
}

func (w *Writer) flushOut() error {
	err := w.flush(w.out)
	w.out = w.out[:0]
	return err
}

// column sets vector i to v and returns the number of values, or -1 if the column is of
// another type. Numbers share the memory of v.
func (w *Writer) column(i int, v any) int {
	switch v := v.(type) {
	case []int32:
		return w.fixed(i, arrow.INT32, len(v), arrow.Int32Traits.CastToBytes(v), nil)
	case []int64:
		return w.fixed(i, arrow.INT64, len(v), arrow.Int64Traits.CastToBytes(v), nil)
	case []float64:
		return w.fixed(i, arrow.FLOAT64, len(v), arrow.Float64Traits.CastToBytes(v), nil)
	case []string:
		return w.texts(i, v, nil)
	case Nullable[int32]:
		return w.fixed(i, arrow.INT32, len(v.Values), arrow.Int32Traits.CastToBytes(v.Values), v.Valid)
	case Nullable[int64]:
		return w.fixed(i, arrow.INT64, len(v.Values), arrow.Int64Traits.CastToBytes(v.Values), v.Valid)
	case Nullable[float64]:
		return w.fixed(i, arrow.FLOAT64, len(v.Values), arrow.Float64Traits.CastToBytes(v.Values), v.Valid)
	case Nullable[string]:
		return w.texts(i, v.Values, v.Valid)
	}
	return -1
}

func (w *Writer) fixed(i int, id arrow.Type, n int, values []byte, valid []bool) int {
	if w.fields[i].id != id {
		return -1
	}
	w.vectors[i] = vector{values: values}
	w.validate(i, len(valid), func(k int) bool { return valid[k] })
	return n
}

func (w *Writer) texts(i int, values []string, valid []bool) int {
	if w.fields[i].id != arrow.STRING {
		return -1
	}
	offsets, text := binary.LittleEndian.AppendUint32(w.own[i][1][:0], 0), w.own[i][2][:0]
	for _, s := range values {
		text = append(text, s...)
		offsets = binary.LittleEndian.AppendUint32(offsets, uint32(len(text)))
	}
	w.own[i][1], w.own[i][2] = offsets, text
	w.vectors[i] = vector{values: offsets, text: text}
	w.validate(i, len(valid), func(k int) bool { return valid[k] })
	return len(values)
}

// variable sets vector i to its columns of b, from offset on, and returns the number of
// rows. If the variable is all of the matrix, and stored as it is, it shares its memory.
func (w *Writer) variable(i int, b Block, offset int) int {
	raw, width := b.Matrix.RawMatrix(), w.fields[i].items
	if w.fields[i].single() {
		return w.singles(i, b, offset)
	}
	if width == raw.Cols && raw.Stride == raw.Cols {
		w.vectors[i] = vector{values: arrow.Float64Traits.CastToBytes(raw.Data[:raw.Rows*width])}
	} else {
		values := w.own[i][1][:0]
		for r := range raw.Rows {
			from := r*raw.Stride + offset
			values = append(values, arrow.Float64Traits.CastToBytes(raw.Data[from:from+width])...)
		}
		w.own[i][1], w.vectors[i] = values, vector{values: values}
	}
	if b.Null {
		w.validate(i, raw.Rows*width, func(k int) bool {
			v := raw.Data[k/width*raw.Stride+offset+k%width]
			return v == v
		})
	}
	return raw.Rows
}

// singles is variable for values that are stored as float32: the nearest ones, ties to even. A
// finite value beyond their range is null.
func (w *Writer) singles(i int, b Block, offset int) int {
	raw, width := b.Matrix.RawMatrix(), w.fields[i].items
	n := raw.Rows * width
	w.own[i][1] = slices.Grow(w.own[i][1][:0], 4*n)[:4*n]
	values, beyond := arrow.Float32Traits.CastFromBytes(w.own[i][1]), false
	for r := range raw.Rows {
		for c, v := range raw.Data[r*raw.Stride+offset:][:width] {
			values[r*width+c] = float32(v)
			beyond = beyond || isBeyond(v)
		}
	}
	w.vectors[i] = vector{values: w.own[i][1]}
	if beyond || b.Null {
		w.validate(i, n, func(k int) bool {
			v := raw.Data[k/width*raw.Stride+offset+k%width]
			return !isBeyond(v) && !(b.Null && v != v)
		})
	}
	return raw.Rows
}

// isBeyond reports whether a finite value would be infinite as a float32.
func isBeyond(v float64) bool {
	return math.IsInf(float64(float32(v)), 0) && !math.IsInf(v, 0)
}

// validate sets which of the n values of vector i are not null.
func (w *Writer) validate(i, n int, there func(k int) bool) {
	bits, nulls := w.own[i][0][:0], 0
	for k := range n {
		if k%8 == 0 {
			bits = append(bits, 0)
		}
		if there(k) {
			bits[k/8] |= 1 << (k % 8)
		} else {
			nulls++
		}
	}
	w.own[i][0] = bits
	if nulls > 0 {
		w.vectors[i].nulls, w.vectors[i].validity = nulls, bits
	}
}

// Beyond returns how many values of columns that are Single are null, as finite values beyond
// the range of float32 are, also of batches that were written before the table was continued.
func (w *Writer) Beyond() int { return w.beyond }

// Path returns the path of the table.
func (w *Writer) Path() string { return w.path }

// Sum returns the sha256, in hexadecimal, of the bytes passed to the operating system: those
// of all rows so far and, after Close, of the file.
func (w *Writer) Sum() string { return hex.EncodeToString(w.sum.Sum(nil)) }

// Close ends the stream, so that a file that is truncated in its footer is complete as a
// stream, adds the footer and gives the file its name. It does not wait until that is on
// the disk.
func (w *Writer) Close() error {
	w.out = w.appendFooter(w.out, &w.blocks)
	if err := errors.Join(w.flushOut(), w.file.Close()); err != nil {
		return err
	}
	return os.Rename(w.path+Part, w.path)
}

// Abandon closes the file as it is, without a footer and under the name of a part.
func (w *Writer) Abandon() error { return w.file.Close() }
