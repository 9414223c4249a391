package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/plume-da/plume/sdk/wire"
)

// encoding is the content of the file of a table in addition to its values. Arrow makes it
// once, by writing a table of one row: the metadata of other batches with the same columns
// differs only in numbers.
type encoding struct {
	fields []field
	start  []byte // magic number and schema
	batch  []byte // metadata of a record batch, with its length before it
	at     wire.BatchNumbers
	footer []byte
	blocks int // position in the footer of the offset of its list of batches
	prefix int // bytes before every buffer that is not empty: none if no column is packed
}

// field is how the values of a column are stored.
type field struct {
	name  string
	id    arrow.Type // of the column
	width int        // bytes per value; 0: text
	items int        // values per row
	pack  bool
}

// single reports whether the values of a variable are stored as float32.
func (f field) single() bool {
	return f.width == 4 && (f.id == arrow.FLOAT32 || f.id == arrow.FIXED_SIZE_LIST)
}

// buffers returns the number of buffers of a column in a record batch: one more for the validity of lists,
// and one more for text.
func (f field) buffers() int {
	if f.id == arrow.FIXED_SIZE_LIST || f.width == 0 {
		return 3
	}
	return 2
}

// vector is the values of a column in some rows, as a record batch holds them.
type vector struct {
	nulls    int
	validity []byte // one bit per value; nil: none is null
	values   []byte // for texts their offsets
	text     []byte
}

// metadataPrefix is the size of a marker and the length, which precede metadata.
const metadataPrefix = 8

// newEncoding returns the encoding of a table in which some columns, given by their numbers,
// are packed.
func newEncoding(schema *arrow.Schema, packed ...int) (*encoding, error) {
	e := &encoding{}
	columns := make([]arrow.Array, schema.NumFields())
	for i, f := range schema.Fields() {
		e.fields = append(e.fields, fieldOf(f))
		columns[i] = zero(f.Type)
	}
	options := []ipc.Option{ipc.WithSchema(schema)}
	if len(packed) > 0 {
		e.prefix, options = sizePrefix, append(options, ipc.WithLZ4())
	}
	for _, i := range packed {
		e.fields[i].pack = true
	}
	file := &memoryFile{}
	w, err := ipc.NewFileWriter(file, options...)
	if err != nil {
		return nil, err
	}
	record := array.NewRecord(schema, columns, 1)
	defer record.Release()
	if err := errors.Join(w.Write(record), w.Close()); err != nil {
		return nil, err
	}
	return e, e.cut(file.Bytes())
}

// cut takes a file of one row apart.
func (e *encoding) cut(text []byte) error {
	metadata := func(from int) int { return metadataPrefix + int(binary.LittleEndian.Uint32(text[from+4:])) }
	start := header + metadata(header)
	tail := len(text) - len(ipc.Magic) - 4
	e.start, e.batch = text[:start], text[start:start+metadata(start)]
	e.footer = text[tail-int(binary.LittleEndian.Uint32(text[tail:])) : tail]
	var ok1, ok2 bool
	e.at, ok1 = wire.FindBatchNumbers(e.batch[metadataPrefix:])
	e.blocks, ok2 = wire.FindBlocks(e.footer)
	if !ok1 || !ok2 {
		return errors.New("table: Arrow's metadata is not as expected")
	}
	return nil
}

// memoryFile is a file in memory that returns its position, which is the only seeking that
// Arrow's writer does.
type memoryFile struct{ bytes.Buffer }

// Seek implements io.Seeker only for the current position.
func (f *memoryFile) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, errors.ErrUnsupported
	}
	return int64(f.Len()), nil
}

func fieldOf(f arrow.Field) field {
	switch t := f.Type.(type) {
	case *arrow.StringType:
		return field{f.Name, t.ID(), 0, 1, false}
	case *arrow.FixedSizeListType:
		return field{f.Name, t.ID(), t.Elem().(arrow.FixedWidthDataType).Bytes(), int(t.Len()), false}
	case arrow.FixedWidthDataType:
		return field{f.Name, t.ID(), t.Bytes(), 1, false}
	}
	panic(fmt.Sprintf("table: column %s is of type %s", f.Name, f.Type))
}

// zero returns a column of one row.
func zero(t arrow.DataType) arrow.Array {
	room := func(n int) *memory.Buffer { return memory.NewBufferBytes(make([]byte, n)) }
	switch t := t.(type) {
	case *arrow.StringType:
		return array.MakeFromData(array.NewData(t, 1, []*memory.Buffer{nil, room(8), room(0)}, nil, 0, 0))
	case *arrow.FixedSizeListType:
		items := array.NewData(t.Elem(), int(t.Len()), []*memory.Buffer{nil, room(8 * int(t.Len()))}, nil, 0, 0)
		return array.MakeFromData(array.NewData(t, 1, []*memory.Buffer{nil}, []arrow.ArrayData{items}, 0, 0))
	}
	return array.MakeFromData(array.NewData(t, 1, []*memory.Buffer{nil, room(8)}, nil, 0, 0))
}

// padded returns n rounded up to the alignment of buffers.
func padded(n int) int { return (n + 7) &^ 7 }

// numbers visits the pairs of numbers of a record batch, in their order.
type numbers struct {
	nodes, buffers []byte
}

func (e *encoding) numbers(message []byte) numbers {
	metadata := message[metadataPrefix:]
	return numbers{metadata[e.at.Nodes:], metadata[e.at.Buffers:]}
}

func put(pairs *[]byte, a, b int) {
	binary.LittleEndian.PutUint64(*pairs, uint64(a))
	binary.LittleEndian.PutUint64((*pairs)[8:], uint64(b))
	*pairs = (*pairs)[16:]
}

func get(pairs *[]byte) (a, b uint64) {
	a, b = binary.LittleEndian.Uint64(*pairs), binary.LittleEndian.Uint64((*pairs)[8:])
	*pairs = (*pairs)[16:]
	return a, b
}

// length returns the length of a buffer with its prefix.
func (e *encoding) length(c chunk) int {
	if len(c.data) == 0 {
		return 0
	}
	return e.prefix + len(c.data)
}

// appendMetadata appends the metadata of a record batch and returns the length of its body.
func (e *encoding) appendMetadata(out []byte, rows int, columns []vector, buffers []chunk) (_ []byte, body int) {
	from := len(out)
	out = append(out, e.batch...)
	message := out[from:]
	n := e.numbers(message)
	for i, f := range e.fields {
		if f.id == arrow.FIXED_SIZE_LIST {
			put(&n.nodes, rows, 0)
		}
		put(&n.nodes, rows*f.items, columns[i].nulls)
	}
	for _, c := range buffers {
		put(&n.buffers, body, e.length(c))
		body += padded(e.length(c))
	}
	binary.LittleEndian.PutUint64(message[metadataPrefix+e.at.Rows:], uint64(rows))
	binary.LittleEndian.PutUint64(message[metadataPrefix+e.at.Body:], uint64(body))
	return out, body
}

// appendFooter appends the bytes after the last batch: the marker of the end of the
// stream, which Arrow's writer of files omits, and the footer, with the list of batches
// after its other content.
func (e *encoding) appendFooter(out []byte, batches *blocks) []byte {
	out = append(out, endOfStream...)
	from := len(out)
	out = append(out, e.footer...)
	for (len(out)-from)%8 != 4 { // so that the blocks, after their number, are aligned
		out = append(out, 0)
	}
	binary.LittleEndian.PutUint32(out[from+e.blocks:], uint32(len(out)-from-e.blocks))
	out = binary.LittleEndian.AppendUint32(out, uint32(batches.n))
	for b := range batches.all {
		out = binary.LittleEndian.AppendUint64(out, uint64(b.offset))
		out = binary.LittleEndian.AppendUint64(out, uint64(len(e.batch)))
		out = binary.LittleEndian.AppendUint64(out, uint64(b.body))
	}
	out = binary.LittleEndian.AppendUint32(out, uint32(len(out)-from))
	return append(out, ipc.Magic...)
}

// block is the position of a record batch in a file.
type block struct{ offset, body int64 }

// blocks are those of a file: runs of record batches of one size, which a table of many cycles mostly is.
type blocks struct {
	runs []run
	n    int
}

// run is count batches at even distances.
type run struct {
	block
	stride int64
	count  int64
}

func (b *blocks) add(next block) {
	b.n++
	if n := len(b.runs); n > 0 {
		r := &b.runs[n-1]
		stride := next.offset - r.offset - (r.count-1)*r.stride
		if next.body == r.body && (r.count == 1 || stride == r.stride) {
			r.stride, r.count = stride, r.count+1
			return
		}
	}
	b.runs = append(b.runs, run{next, 0, 1})
}

// all yields the batches in their order.
func (b *blocks) all(yield func(block) bool) {
	for _, r := range b.runs {
		for i := range r.count {
			if !yield(block{r.offset + i*r.stride, r.body}) {
				return
			}
		}
	}
}

// endOfStream is the marker at the end of an Arrow stream.
var endOfStream = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}
