package wire

import (
	"bytes"
	"encoding/binary"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// maxMetadata bounds the metadata of one message. The schema of a layout takes
// about 300 bytes per variable.
const maxMetadata = 1 << 24

// Decoder reads the Arrow IPC stream of one matrix, which it gets in arbitrary pieces. It
// never panics, and never allocates more than the matrix and the received metadata need,
// whatever the bytes say.
type Decoder struct {
	layout  *sdk.Layout
	numbers Numbers
	width   []int
	n       int
	into    *mat.Dense
	max     int // rows

	stage   stage
	want    int    // bytes of the current stage that have not arrived yet
	buf     []byte // prefix or metadata collected so far
	batch   batch
	column  int    // whose values come next
	at      int    // position in the body
	body    int    // its length
	target  []byte // where the values of column go
	scratch []float64
	bits    uint64 // of all values looked at; see look
	rows    int    // decoded
	schema  bool
	known   []byte // metadata of a schema that has been checked: every call has the same
	watch   bool
	err     error
}

type stage int

const (
	prefix   stage = iota // continuation marker and metadata length
	metadata              // of a message
	gap                   // bytes of a body that are not read
	values                // of a column
	ended
)

// NewDecoder returns a decoder for matrices of layout l whose values travel as numbers.
func NewDecoder(l *sdk.Layout, numbers Numbers) *Decoder {
	return &Decoder{layout: l, numbers: numbers, width: widths(l), n: l.Size()}
}

// Watch makes d check the values as they arrive, for Finite.
func (d *Decoder) Watch() { d.watch = true }

// Reset prepares d for a stream of at most the rows of into, which must have the
// width of the layout and no gap between its rows.
func (d *Decoder) Reset(into *mat.Dense) {
	raw := into.RawMatrix()
	if raw.Cols != d.n || raw.Stride != raw.Cols {
		panic("wire: the matrix does not have the width of the layout")
	}
	d.into, d.max, d.rows, d.bits, d.schema, d.err = into, raw.Rows, 0, 0, false, nil
	d.next(prefix, 8)
}

func (d *Decoder) next(s stage, want int) { d.stage, d.want, d.buf = s, want, d.buf[:0] }

// Write decodes the next piece of the stream. After an error every later call
// returns the same error.
func (d *Decoder) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 && d.err == nil {
		if d.stage == ended {
			d.err = contract("%d bytes follow the end of the stream", len(p))
			break
		}
		k := min(d.want, len(p))
		switch d.stage {
		case prefix, metadata:
			d.buf = append(d.buf, p[:k]...)
		case values:
			at := len(d.target) - d.want
			copy(d.target[at:], p[:k])
			if d.numbers != Single {
				d.look(arrow.Float64Traits.CastFromBytes(d.target)[at/8 : (at+k)/8])
			}
		}
		p, d.want = p[k:], d.want-k
		if d.stage == gap || d.stage == values {
			d.at += k
		}
		for d.want == 0 && d.stage != ended && d.err == nil {
			d.err = d.advance()
		}
	}
	return total - len(p), d.err
}

// advance ends a stage whose bytes have all arrived.
func (d *Decoder) advance() error {
	switch d.stage {
	case prefix:
		return d.endPrefix()
	case metadata:
		return d.endMetadata()
	case values:
		d.endColumn()
	}
	d.nextColumn()
	return nil
}

func (d *Decoder) endPrefix() error {
	if marker := binary.LittleEndian.Uint32(d.buf); marker != 0xffffffff {
		return contract("got %#x where a message starts with 0xffffffff", marker)
	}
	length := binary.LittleEndian.Uint32(d.buf[4:])
	switch {
	case length == 0 && !d.schema:
		return contract("the stream ends before its schema")
	case length == 0:
		d.next(ended, 0)
		return nil
	case length > maxMetadata:
		return contract("metadata of %d bytes; want at most %d", length, maxMetadata)
	}
	d.next(metadata, int(length))
	return nil
}

func (d *Decoder) endMetadata() error {
	if !d.schema && d.known != nil && bytes.Equal(d.buf, d.known) {
		d.schema = true
		d.next(prefix, 8)
		return nil
	}
	m, err := parseMessage(d.buf)
	if err != nil {
		return err
	}
	switch {
	case !d.schema && m.kind == headerSchema && m.body == 0:
		d.schema = true
		if err := checkSchema(m.head, d.layout, d.numbers); err != nil {
			return err
		}
		d.known = bytes.Clone(d.buf)
		d.next(prefix, 8)
		return nil
	case d.schema && m.kind == headerRecordBatch:
		if err := d.batch.parse(m, d.layout, d.width, d.numbers, d.max-d.rows); err != nil {
			return err
		}
		d.column, d.at, d.body = 0, 0, m.body
		d.stage, d.want = gap, 0
		return nil
	}
	return contract("got a message of kind %d, want the schema or a record batch", m.kind)
}

// nextColumn moves on to the values of the next column, to the gap before them,
// or to the next message.
func (d *Decoder) nextColumn() {
	if d.column == len(d.batch.values) {
		if d.at < d.body {
			d.next(gap, d.body-d.at)
			return
		}
		d.rows += d.batch.rows
		d.next(prefix, 8)
		return
	}
	e := d.batch.values[d.column]
	switch {
	case d.at < e.offset:
		d.next(gap, e.offset-d.at)
	case d.column == 0: // the member column: the order of rows is enough
		d.column++
		d.next(gap, e.length)
	case e.length == 0:
		d.column++
		d.next(gap, 0)
	default:
		d.target = d.values()
		d.next(values, e.length)
	}
}

// direct reports whether the column is the matrix.
func (d *Decoder) direct() bool { return len(d.width) == 1 && d.numbers != Single }

// values returns the memory for the values of the current column: the matrix itself, or
// memory from which endColumn distributes them.
func (d *Decoder) values() []byte {
	size := d.batch.rows * d.width[d.column-1]
	if d.direct() {
		start := d.rows * d.n
		return arrow.Float64Traits.CastToBytes(d.into.RawMatrix().Data[start : start+size])
	}
	size *= d.numbers.Size()
	if need := (size + 7) / 8; len(d.scratch) < need {
		d.scratch = make([]float64, need)
	}
	return arrow.Float64Traits.CastToBytes(d.scratch)[:size]
}

func (d *Decoder) endColumn() {
	defer func() { d.column++ }()
	if d.direct() {
		return
	}
	w, offset := d.width[d.column-1], 0
	for _, other := range d.width[:d.column-1] {
		offset += other
	}
	data := d.into.RawMatrix().Data
	for i := range d.batch.rows {
		row := data[(d.rows+i)*d.n+offset:][:w]
		if d.numbers == Single {
			widen(row, singles(d.scratch)[i*w:][:w])
			d.look(row)
		} else {
			copy(row, d.scratch[i*w:][:w])
		}
	}
}

// look rounds values, which have just arrived and are still in the processor's cache, if that is
// wanted, and records whether they are finite.
func (d *Decoder) look(values []float64) {
	if d.numbers == Rounded {
		round(values, values)
	}
	if d.watch {
		d.bits |= exponents(values)
	}
}

// Finite reports whether all values so far are finite, after they were rounded; see Watch.
func (d *Decoder) Finite() bool { return d.bits>>63 == 0 }

// Close returns the number of rows of the stream, or an error if it ended too early. It lets go of
// the matrix.
func (d *Decoder) Close() (rows int, err error) {
	d.into, d.target = nil, nil
	if d.err == nil && d.stage != ended {
		d.err = contract("the stream is cut: it has no end marker")
	}
	return d.rows, d.err
}
