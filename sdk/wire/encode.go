package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// batchBytes is the approximate size of a record batch: large enough that the metadata
// does not matter, small enough that a reader can start early.
const batchBytes = 1 << 20

// endOfStream closes a stream.
var endOfStream = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// Encoder writes matrices of one layout as Arrow IPC streams. It is safe for
// concurrent use.
type Encoder struct {
	layout *sdk.Layout
	width  []int
	n      int
	schema []byte

	mu      sync.Mutex
	headers map[int]*header // by rows
}

// header is the metadata of a record batch, which depends only on its number of rows.
type header struct {
	bytes   []byte
	batch   batch
	body    int
	members []byte // the first column of the first batch of a stream
}

// NewEncoder returns an encoder for matrices of layout l.
func NewEncoder(l *sdk.Layout) (*Encoder, error) {
	e := &Encoder{layout: l, width: widths(l), n: l.Size(), headers: map[int]*header{}}
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(schemaOf(l)))
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("wire: schema: %w", err)
	}
	e.schema = bytes.TrimSuffix(b.Bytes(), endOfStream)
	return e, nil
}

// Segments returns the stream of m as byte slices to be sent one after the other.
// If the layout is a single variable they share the memory of m, which must not change
// until they have been sent; otherwise the values are copied once, into scratch if that
// is large enough. scratch is returned for the next call.
//
// A nil matrix has no rows.
func (e *Encoder) Segments(m *mat.Dense, scratch []float64) ([][]byte, []float64, error) {
	if m == nil {
		return [][]byte{e.schema, endOfStream}, scratch, nil
	}
	raw := m.RawMatrix()
	if raw.Cols != e.n || raw.Stride != raw.Cols {
		return nil, scratch, sdk.Errorf(sdk.KindShape, "matrix", "got %d columns, want %d", raw.Cols, e.n)
	}
	if len(e.width) > 1 && cap(scratch) < len(raw.Data) {
		scratch = make([]float64, raw.Rows*raw.Cols)
	}
	segments := append(make([][]byte, 0, 2*len(e.width)+6), e.schema) // for one batch
	step := max(1, batchBytes/(8*e.n))
	for from := 0; from < raw.Rows; from += step {
		rows := min(step, raw.Rows-from)
		h, err := e.header(rows)
		if err != nil {
			return nil, scratch, err
		}
		segments = append(segments, h.bytes)
		segments = e.body(segments, h, raw.Data[from*e.n:(from+rows)*e.n], from, scratch)
	}
	return append(segments, endOfStream), scratch, nil
}

// body appends the buffers of one record batch with the padding between them.
func (e *Encoder) body(segments [][]byte, h *header, data []float64, from int, scratch []float64) [][]byte {
	at := 0
	put := func(x extent, b []byte) {
		segments = append(segments, zeros(x.offset-at), b)
		at = x.offset + len(b)
	}
	members := h.members
	if from > 0 {
		members = memberBytes(from, h.batch.rows)
	}
	put(h.batch.values[0], members)
	offset := 0
	for i, w := range e.width {
		column := data
		if len(e.width) > 1 {
			start := from*e.n + offset*h.batch.rows
			column = scratch[start : start+h.batch.rows*w]
			for r := range h.batch.rows {
				copy(column[r*w:(r+1)*w], data[r*e.n+offset:])
			}
		}
		put(h.batch.values[i+1], arrow.Float64Traits.CastToBytes(column))
		offset += w
	}
	return append(segments, zeros(h.body-at))
}

var padding [64]byte

// zeros returns n zero bytes. Arrow pads to at most 64.
func zeros(n int) []byte { return padding[:n] }

func memberBytes(from, rows int) []byte {
	b := make([]byte, 0, 4*rows)
	for i := range rows {
		b = binary.LittleEndian.AppendUint32(b, uint32(from+i))
	}
	return b
}

// header returns the metadata of a record batch, made by Arrow for a batch of
// zeros of the same number of rows.
func (e *Encoder) header(rows int) (*header, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h := e.headers[rows]; h != nil {
		return h, nil
	}
	var b bytes.Buffer
	schema := schemaOf(e.layout)
	w := ipc.NewWriter(&b, ipc.WithSchema(schema))
	record := e.zeroRecord(schema, rows)
	defer record.Release()
	if err := w.Write(record); err != nil {
		return nil, fmt.Errorf("wire: record batch: %w", err)
	}
	text := b.Bytes()[len(e.schema):]
	length := 8 + int(binary.LittleEndian.Uint32(text[4:]))
	h := &header{bytes: text[:length:length]}
	m, err := parseMessage(h.bytes[8:])
	if err == nil {
		err = h.batch.parse(m, e.layout, e.width, rows)
	}
	if err != nil {
		return nil, err
	}
	h.bytes, h.body, h.members = bytes.Clone(h.bytes), m.body, memberBytes(0, rows)
	e.headers[rows] = h
	return h, nil
}

// zeroRecord returns a record batch of zeros.
func (e *Encoder) zeroRecord(schema *arrow.Schema, rows int) arrow.Record {
	largest := rows * e.n
	buffer := memory.NewBufferBytes(make([]byte, 8*max(1, largest)))
	columns := []arrow.Array{array.NewInt32Data(array.NewData(arrow.PrimitiveTypes.Int32, rows, []*memory.Buffer{nil, buffer}, nil, 0, 0))}
	for i, f := range schema.Fields()[1:] {
		values := array.NewData(arrow.PrimitiveTypes.Float64, rows*e.width[i], []*memory.Buffer{nil, buffer}, nil, 0, 0)
		if f.Type.ID() == arrow.FLOAT64 {
			columns = append(columns, array.NewFloat64Data(values))
			continue
		}
		list := array.NewData(f.Type, rows, []*memory.Buffer{nil}, []arrow.ArrayData{values}, 0, 0)
		columns = append(columns, array.NewFixedSizeListData(list))
	}
	return array.NewRecord(schema, columns, int64(rows))
}
