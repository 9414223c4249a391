package table

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"gonum.org/v1/gonum/mat"
)

// Block is the values of a layout in some rows, N x n. A column of type Values
// takes those of its variable.
type Block struct {
	Matrix *mat.Dense
	// Null says which values are null instead of NaN: those that are NaN. It is
	// for observations, where NaN means missing.
	Null bool
}

// Writer writes one table. It is not safe for concurrent use.
type Writer struct {
	path    string
	columns []Column
	schema  *arrow.Schema
	file    *os.File
	buffer  *buffered
	arrow   *ipc.FileWriter
	batches int
}

// buffered is a buffered file that knows its position, which is all the seeking
// that Arrow's writer does.
type buffered struct {
	*bufio.Writer
	at int64
}

func (b *buffered) Write(p []byte) (int, error) {
	n, err := b.Writer.Write(p)
	b.at += int64(n)
	return n, err
}

// Seek implements io.Seeker for the current position alone.
func (b *buffered) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, errors.ErrUnsupported
	}
	return b.at, nil
}

// Part is what is added to a file's name while it is written.
const Part = ".part"

// Create starts the table path. metadata goes into the schema, in the order of
// its keys.
func Create(path string, columns []Column, metadata map[string]string) (*Writer, error) {
	return create(path, path+Part, columns, metadata)
}

// create starts the table path in a file of another name.
func create(path, file string, columns []Column, metadata map[string]string) (*Writer, error) {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = c.field()
	}
	keys := slices.Sorted(maps.Keys(metadata))
	values := make([]string, len(keys))
	for i, k := range keys {
		values[i] = metadata[k]
	}
	m := arrow.NewMetadata(keys, values)
	w, err := createLike(path, file, arrow.NewSchema(fields, &m))
	if err != nil {
		return nil, err
	}
	w.columns = columns
	return w, nil
}

// createLike starts a table with a given schema in a file of another name.
func createLike(path, file string, schema *arrow.Schema) (*Writer, error) {
	w := &Writer{path: path, schema: schema}
	var err error
	if w.file, err = os.Create(file); err != nil {
		return nil, err
	}
	w.buffer = &buffered{Writer: bufio.NewWriterSize(w.file, 1<<16)}
	if w.arrow, err = ipc.NewFileWriter(w.buffer, ipc.WithSchema(w.schema)); err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	return w, nil
}

// Append writes one record batch of rows rows. There is one item of values per
// column, of the Go type that belongs to its Type, of Nullable of that, or, for
// columns of type Values, a Block; a Block may stand for several columns that
// follow one another, which take its columns in order. The values have been handed
// to the operating system when Append returns.
func (w *Writer) Append(rows int, values ...any) error {
	arrays := make([]arrow.Array, 0, len(w.columns))
	defer func() {
		for _, a := range arrays {
			a.Release()
		}
	}()
	offset, next := 0, 0 // in the current block; of values
	for i, c := range w.columns {
		if next == len(values) {
			return fmt.Errorf("table %s: no values for column %s", w.path, c.Name)
		}
		var a arrow.Array
		if block, ok := values[next].(Block); ok && c.Type == Values {
			a = variable(block, offset, rows, c.Variable.Size(), w.schema.Field(i).Type)
			if offset += c.Variable.Size(); offset == block.Matrix.RawMatrix().Cols {
				offset, next = 0, next+1
			}
		} else {
			a = column(values[next], w.schema.Field(i).Type)
			next++
		}
		if a == nil || a.Len() != rows {
			return fmt.Errorf("table %s: column %s does not take %T of %d rows", w.path, c.Name, values[max(0, next-1)], rows)
		}
		arrays = append(arrays, a)
	}
	record := array.NewRecord(w.schema, arrays, int64(rows))
	defer record.Release()
	return w.writeBatch(record)
}

func (w *Writer) writeBatch(record arrow.Record) error {
	if err := w.arrow.Write(record); err != nil {
		return err
	}
	w.batches++
	return w.buffer.Flush()
}

// column returns v as an Arrow array of type t, or nil when it is of another. Numbers
// are windows on the memory they come in.
func column(v any, t arrow.DataType) arrow.Array {
	switch v := v.(type) {
	case []int32:
		return numbers(Nullable[int32]{Values: v}, arrow.Int32Traits.CastToBytes, arrow.INT32, t)
	case []int64:
		return numbers(Nullable[int64]{Values: v}, arrow.Int64Traits.CastToBytes, arrow.INT64, t)
	case []float64:
		return numbers(Nullable[float64]{Values: v}, arrow.Float64Traits.CastToBytes, arrow.FLOAT64, t)
	case []string:
		return texts(Nullable[string]{Values: v}, t)
	case Nullable[int32]:
		return numbers(v, arrow.Int32Traits.CastToBytes, arrow.INT32, t)
	case Nullable[int64]:
		return numbers(v, arrow.Int64Traits.CastToBytes, arrow.INT64, t)
	case Nullable[float64]:
		return numbers(v, arrow.Float64Traits.CastToBytes, arrow.FLOAT64, t)
	case Nullable[string]:
		return texts(v, t)
	}
	return nil
}

func numbers[T int32 | int64 | float64](v Nullable[T], bytes func([]T) []byte, id arrow.Type, t arrow.DataType) arrow.Array {
	if t.ID() != id {
		return nil
	}
	validity, nulls := v.bitmap()
	return array.MakeFromData(array.NewData(t, len(v.Values),
		[]*memory.Buffer{validity, memory.NewBufferBytes(bytes(v.Values))}, nil, nulls, 0))
}

func texts(v Nullable[string], t arrow.DataType) arrow.Array {
	if t.ID() != arrow.STRING {
		return nil
	}
	offsets, size := make([]int32, 1, len(v.Values)+1), 0
	for _, s := range v.Values {
		size += len(s)
		offsets = append(offsets, int32(size))
	}
	text := make([]byte, 0, size)
	for _, s := range v.Values {
		text = append(text, s...)
	}
	validity, nulls := v.bitmap()
	return array.NewStringData(array.NewData(t, len(v.Values),
		[]*memory.Buffer{validity, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(text)}, nil, nulls, 0))
}

// bitmap returns which values are there; see the function of this name.
func (v Nullable[T]) bitmap() (*memory.Buffer, int) {
	if v.Valid == nil {
		return nil, 0
	}
	return bitmap(len(v.Values), func(i int) bool { return v.Valid[i] })
}

// variable returns the width columns of b from offset on, as an array of type t. Where the variable is all of the matrix its
// memory is used as it is.
func variable(b Block, offset, rows, width int, t arrow.DataType) arrow.Array {
	raw := b.Matrix.RawMatrix()
	if raw.Rows != rows {
		return nil
	}
	values := raw.Data
	if width != raw.Cols || raw.Stride != raw.Cols {
		values = make([]float64, rows*width)
		for i := range rows {
			copy(values[i*width:(i+1)*width], raw.Data[i*raw.Stride+offset:])
		}
	}
	nulls, validity := 0, (*memory.Buffer)(nil)
	if b.Null {
		validity, nulls = bitmap(rows*width, func(i int) bool { return values[i] == values[i] })
	}
	data := array.NewData(arrow.PrimitiveTypes.Float64, rows*width,
		[]*memory.Buffer{validity, memory.NewBufferBytes(arrow.Float64Traits.CastToBytes(values[:rows*width]))}, nil, nulls, 0)
	if t.ID() == arrow.FLOAT64 {
		return array.NewFloat64Data(data)
	}
	return array.NewFixedSizeListData(array.NewData(t, rows, []*memory.Buffer{nil}, []arrow.ArrayData{data}, 0, 0))
}

// bitmap returns which of n values are there, and how many are not; nil when all are.
func bitmap(n int, there func(i int) bool) (*memory.Buffer, int) {
	nulls := 0
	for i := range n {
		if !there(i) {
			nulls++
		}
	}
	if nulls == 0 {
		return nil, 0
	}
	bits := make([]byte, (n+7)/8)
	for i := range n {
		if there(i) {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return memory.NewBufferBytes(bits), nulls
}

// endOfStream is what ends an Arrow stream; Arrow's writer of files leaves it out.
var endOfStream = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// Close ends the stream, so that a file cut in its footer is whole as a stream, adds the
// footer and gives the file its name. It does not wait until that is on the disk.
func (w *Writer) Close() error {
	var err error
	if w.batches > 0 { // without any the schema is not written yet
		_, err = w.buffer.Write(endOfStream)
	}
	err = errors.Join(err, w.arrow.Close(), w.buffer.Flush())
	if err := errors.Join(err, w.file.Close()); err != nil {
		return err
	}
	return os.Rename(w.path+Part, w.path)
}

// Abandon closes the file as it is, without footer and under the name of a part.
func (w *Writer) Abandon() error { return errors.Join(w.buffer.Flush(), w.file.Close()) }
