package table

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
)

// stored reads the record batches of a file of this package one after the other, as
// they are stored, with or without a footer.
type stored struct {
	*encoding
	file *bufio.Reader
	left int64 // bytes of the file that have not been read
	only []int // numbers of the columns that are read; as a rule all

	rows     int
	text     []byte // metadata of the batch
	body     []byte // of the batch
	unpacked []byte // unpacked buffers of the batch

	// of known metadata, which as a rule is the same in all batches
	known    []byte
	nulls    []vector // numbers of nulls
	spans    [][]span // of the buffers of each column
	valuesAt []span   // of these, that of the values

	chunks []chunk // reused, as is the next one
	again  []byte
}

// span is where a buffer is in the body of a batch, with its prefix.
type span struct{ from, to int }

// errDamaged is the error of a file that this package did not write.
var errDamaged = errors.New("is damaged")

// openStored reads the beginning of a file. The error is ErrColumns if it is that of other
// columns.
func openStored(f *os.File, e *encoding) (*stored, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s := &stored{
		encoding: e, file: bufio.NewReaderSize(f, 1<<18), left: info.Size() - int64(len(e.start)+len(e.batch)),
		nulls: make([]vector, len(e.fields)), spans: make([][]span, len(e.fields)), valuesAt: make([]span, len(e.fields)),
	}
	for i := range e.fields {
		s.only = append(s.only, i)
	}
	start := make([]byte, len(e.start))
	if _, err := io.ReadFull(s.file, start); err != nil {
		return nil, err
	}
	if !bytes.Equal(start, e.start) {
		return nil, ErrColumns
	}
	return s, nil
}

// next reads a record batch; its columns share memory that the next call reuses. The error
// is io.EOF after the last batch, and io.ErrUnexpectedEOF if the file is truncated.
func (s *stored) next(columns []vector) error {
	s.text = sized(s.text, len(s.batch))
	if err := s.fill(s.text[:metadataPrefix]); err != nil {
		return err
	}
	if bytes.Equal(s.text[:metadataPrefix], endOfStream) {
		return io.EOF
	}
	if err := s.fill(s.text[metadataPrefix:]); err != nil {
		return err
	}
	metadata := s.text[metadataPrefix:]
	rows, body := binary.LittleEndian.Uint64(metadata[s.at.Rows:]), binary.LittleEndian.Uint64(metadata[s.at.Body:])
	switch {
	case rows > math.MaxInt32:
		return errDamaged
	case s.left < 0 || body > uint64(s.left):
		return io.ErrUnexpectedEOF
	}
	s.rows, s.left = int(rows), s.left-int64(body)-int64(len(s.batch))
	s.body = sized(s.body, int(body))
	if err := s.fill(s.body); err != nil {
		return err
	}
	if !bytes.Equal(s.text, s.known) {
		if err := s.locate(); err != nil {
			return err
		}
	}
	return s.take(columns)
}

// sized returns b with n bytes, which may be any.
func sized(b []byte, n int) []byte { return slices.Grow(b[:0], n)[:n] }

// fill fills b.
func (s *stored) fill(b []byte) error {
	_, err := io.ReadFull(s.file, b)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// locate finds the buffers of the batch and checks that its metadata is the template's but for numbers
// that agree with one another.
func (s *stored) locate() error {
	n := s.numbers(s.text)
	s.known, s.chunks = s.known[:0], s.chunks[:0]
	damaged := false
	for i, f := range s.fields {
		if f.id == arrow.FIXED_SIZE_LIST {
			get(&n.nodes)
		}
		length, nulls := get(&n.nodes)
		damaged = damaged || nulls > length
		s.nulls[i] = vector{nulls: int(nulls)}
		s.spans[i] = s.spans[i][:0]
		for range f.buffers() {
			offset, length := get(&n.buffers)
			if length > uint64(len(s.body)) || offset > uint64(len(s.body))-length || length > 0 && length < uint64(s.prefix) {
				damaged, offset, length = true, 0, 0
			}
			at := span{int(offset), int(offset + length)}
			s.spans[i], s.chunks = append(s.spans[i], at), append(s.chunks, chunk{data: s.body[min(at.from+s.prefix, at.to):at.to]})
		}
		if f.id == arrow.FIXED_SIZE_LIST { // the first one, of the lists, is empty
			s.spans[i] = s.spans[i][1:]
		}
		s.valuesAt[i] = s.spans[i][1]
	}
	if s.again, _ = s.appendMetadata(s.again[:0], s.rows, s.nulls, s.chunks); damaged || !bytes.Equal(s.again, s.text) {
		return errDamaged
	}
	s.known = append(s.known, s.text...)
	return nil
}

// take sets the columns that are read to the buffers of the batch, unpacked.
func (s *stored) take(columns []vector) error {
	s.unpacked = s.unpacked[:0]
	for _, i := range s.only {
		if err := s.takeFrom(s.body, columns, i); err != nil {
			return err
		}
	}
	return nil
}

// takeFrom sets column i to its buffers in a body, unpacked.
func (s *stored) takeFrom(body []byte, columns []vector, i int) error {
	var buffers [3][]byte
	for k, at := range s.spans[i] {
		b, ok := s.buffer(body[at.from:at.to:at.to])
		if !ok {
			return errDamaged
		}
		buffers[k] = b
	}
	f, c := s.fields[i], vector{nulls: s.nulls[i].nulls, validity: buffers[0], values: buffers[1], text: buffers[2]}
	length, want := s.rows*f.items, f.width*s.rows*f.items
	if f.width == 0 {
		want = 4 * (length + 1)
	}
	if len(c.validity) == 0 {
		c.validity = nil
	}
	if len(c.values) != want || c.validity == nil && c.nulls > 0 || c.validity != nil && len(c.validity) != (length+7)/8 {
		return errDamaged
	}
	columns[i] = c
	return nil
}

// buffer returns the content of a buffer with its prefix, and false if it is damaged.
func (s *stored) buffer(b []byte) ([]byte, bool) {
	if s.prefix == 0 || len(b) == 0 {
		return b, true
	}
	size := int(binary.LittleEndian.Uint64(b))
	if b = b[s.prefix:]; size == asItIs {
		return b, true
	}
	from := len(s.unpacked)
	var ok bool
	s.unpacked, ok = appendContent(s.unpacked, b, size)
	return s.unpacked[from:len(s.unpacked):len(s.unpacked)], ok
}

// concatenate appends the values of more to those of v, which has rows rows.
func (v *vector) concatenate(f field, rows int, more vector, moreRows int) error {
	n, m := rows*f.items, moreRows*f.items
	if v.validity != nil || more.validity != nil {
		if v.validity == nil {
			v.validity = bytes.Repeat([]byte{0xff}, (n+7)/8)
			if n%8 > 0 {
				v.validity[n/8] = 1<<(n%8) - 1
			}
		}
		for i := range m {
			if (n+i)%8 == 0 {
				v.validity = append(v.validity, 0)
			}
			bit := byte(1) << ((n + i) % 8)
			v.validity[(n+i)/8] &^= bit
			if more.validity == nil || more.validity[i/8]>>(i%8)&1 == 1 {
				v.validity[(n+i)/8] |= bit
			}
		}
	}
	v.nulls += more.nulls
	if f.width > 0 {
		v.values = append(v.values, more.values...)
		return nil
	}
	if len(v.values) == 0 {
		v.values = append(v.values, 0, 0, 0, 0)
	}
	base := uint32(len(v.text))
	for i := range moreRows {
		v.values = binary.LittleEndian.AppendUint32(v.values, base+binary.LittleEndian.Uint32(more.values[4*(i+1):]))
	}
	if v.text = append(v.text, more.text...); len(v.text) > math.MaxInt32 {
		return fmt.Errorf("column %s: more than 2 GiB of text in one batch", f.name)
	}
	return nil
}
