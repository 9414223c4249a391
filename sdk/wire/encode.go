package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
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
	layout  *sdk.Layout
	numbers Numbers
	width   []int
	n       int
	schema  []byte

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

// NewEncoder returns an encoder for matrices of layout l whose values travel as numbers.
func NewEncoder(l *sdk.Layout, numbers Numbers) (*Encoder, error) {
	e := &Encoder{layout: l, numbers: numbers, width: widths(l), n: l.Size(), headers: map[int]*header{}}
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(schemaOf(l, numbers)))
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("wire: schema: %w", err)
	}
	e.schema = bytes.TrimSuffix(b.Bytes(), endOfStream)
	return e, nil
}

// ErrBeyond says that a finite value is beyond the range of the numbers of a stream.
var ErrBeyond = errors.New("wire: a value is beyond the range of float32")

// Segments returns the stream of m as byte slices to be sent one after the other; see
// [Encoder.Stream].
func (e *Encoder) Segments(m *mat.Dense, scratch []float64) (all [][]byte, kept []float64, err error) {
	kept, err = e.Stream(m, scratch, func(segments [][]byte) error {
		all = append(all, segments...)
		return nil
	})
	return all, kept, err
}

// Stream passes the stream of m to send, some byte slices at a time, in a list that is used
// again. If the layout is a single variable, and its values travel as they are, the slices share
// the memory of m, which must not change until they have been sent; otherwise the values are copied
// once, into scratch if that is large enough. scratch is returned for the next call.
//
// A nil matrix has no rows. Errors of send end the stream. It is complete with the error
// [ErrBeyond]; what is beyond the range is infinite there.
func (e *Encoder) Stream(m *mat.Dense, scratch []float64, send func(segments [][]byte) error) ([]float64, error) {
	if m == nil {
		return scratch, send([][]byte{e.schema, endOfStream})
	}
	raw := m.RawMatrix()
	if raw.Cols != e.n || raw.Stride != raw.Cols {
		return scratch, sdk.Errorf(sdk.KindShape, "matrix", "got %d columns, want %d", raw.Cols, e.n)
	}
	size := e.numbers.Size()
	if need := (len(raw.Data)*size + 7) / 8; e.copies() && cap(scratch) < need {
		scratch = make([]float64, need)
	}
	s := &segments{Encoder: e, list: append(make([][]byte, 0, 2*len(e.width)+6), e.schema), scratch: scratch[:cap(scratch)]} // for one batch
	step := max(1, batchBytes/(size*e.n))
	for from := 0; from < raw.Rows; from += step {
		if from > 0 {
			if err := send(s.list); err != nil {
				return scratch, err
			}
			s.list = s.list[:0]
		}
		if err := s.batch(raw.Data[from*e.n:min(from+step, raw.Rows)*e.n], from); err != nil {
			return scratch, err
		}
	}
	if err := send(append(s.list, endOfStream)); err != nil {
		return scratch, err
	}
	if s.largest >= magnitude(beyond) {
		if _, _, found := Beyond(m); found {
			return scratch, ErrBeyond
		}
	}
	return scratch, nil
}

// copies reports whether what is sent is not the matrix itself.
func (e *Encoder) copies() bool { return len(e.width) > 1 || e.numbers != Double }

// segments is a stream in the making.
type segments struct {
	*Encoder
	list    [][]byte
	scratch []float64
	largest uint64 // magnitude of what was rounded
}

// batch appends a record batch of the rows in data, the first of which is row from.
func (s *segments) batch(data []float64, from int) error {
	h, err := s.header(len(data) / s.n)
	if err != nil {
		return err
	}
	s.list = append(s.list, h.bytes)
	at := 0
	put := func(x extent, b []byte) {
		s.list = append(s.list, zeros(x.offset-at), b)
		at = x.offset + len(b)
	}
	members := h.members
	if from > 0 {
		members = memberBytes(from, h.batch.rows)
	}
	put(h.batch.values[0], members)
	offset := 0
	for i, w := range s.width {
		put(h.batch.values[i+1], s.column(data, from*s.n+offset*h.batch.rows, offset, w))
		offset += w
	}
	s.list = append(s.list, zeros(h.body-at))
	return nil
}

// column returns the values of a variable, w in every row of data from offset on; copies begin at
// start in the scratch memory.
func (s *segments) column(data []float64, start, offset, w int) []byte {
	end := start + len(data)/s.n*w
	switch {
	case s.numbers == Single:
		to := singles(s.scratch)[start:end]
		for k := 0; k < len(to); k, offset = k+w, offset+s.n {
			s.largest = max(s.largest, narrow(to[k:k+w], data[offset:]))
		}
		return arrow.Float32Traits.CastToBytes(to)
	case s.copies():
		to := s.scratch[start:end]
		for k := 0; k < len(to); k, offset = k+w, offset+s.n {
			if s.numbers == Rounded {
				s.largest = max(s.largest, round(to[k:k+w], data[offset:]))
			} else {
				copy(to[k:k+w], data[offset:])
			}
		}
		return arrow.Float64Traits.CastToBytes(to)
	}
	return arrow.Float64Traits.CastToBytes(data)
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
	schema := schemaOf(e.layout, e.numbers)
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
		err = h.batch.parse(m, e.layout, e.width, e.numbers, rows)
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
		column := arrow.ArrayData(array.NewData(e.numbers.kind(), rows*e.width[i], []*memory.Buffer{nil, buffer}, nil, 0, 0))
		if f.Type.ID() == arrow.FIXED_SIZE_LIST {
			column = array.NewData(f.Type, rows, []*memory.Buffer{nil}, []arrow.ArrayData{column}, 0, 0)
		}
		columns = append(columns, array.MakeFromData(column))
	}
	return array.NewRecord(schema, columns, int64(rows))
}
