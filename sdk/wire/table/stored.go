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

	"github.com/apache/arrow/go/v17/arrow"
)

// stored reads the record batches of a file of this package one after the other, as
// they are stored, with or without a footer.
type stored struct {
	*encoding
	file     *bufio.Reader
	left     int64 // bytes of the file that have not been read
	rows     int
	text     []byte // of the batch
	chunks   []chunk
	unpacked []byte // unpacked buffers of the batch
}

// errDamaged is the error of a file that this package did not write.
var errDamaged = errors.New("is damaged")

// openStored reads the beginning of a file. The error is ErrColumns if it is that of other
// columns.
func openStored(f *os.File, e *encoding) (*stored, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s := &stored{encoding: e, file: bufio.NewReaderSize(f, 1<<16), left: info.Size() - int64(len(e.start)+len(e.batch))}
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
	s.text = append(s.text[:0], s.batch...)
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
	s.text = append(s.text, make([]byte, body)...)
	if err := s.fill(s.text[len(s.batch):]); err != nil {
		return err
	}
	return s.parse(columns, s.text[len(s.batch):])
}

// fill fills b.
func (s *stored) fill(b []byte) error {
	_, err := io.ReadFull(s.file, b)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parse sets columns to the buffers of the batch, unpacked.
func (s *stored) parse(columns []vector, body []byte) error {
	n, damaged := s.numbers(s.text), false
	s.chunks, s.unpacked = s.chunks[:0], s.unpacked[:0]
	buffer := func() []byte {
		offset, length := get(&n.buffers)
		if length > uint64(len(body)) || offset > uint64(len(body))-length {
			damaged = true
			return nil
		}
		b, ok := s.buffer(body[offset:][:length:length])
		damaged = damaged || !ok
		return b
	}
	for i, f := range s.fields {
		if f.id == arrow.FIXED_SIZE_LIST {
			get(&n.nodes)
			buffer()
		}
		length, nulls := get(&n.nodes)
		c := vector{nulls: int(nulls), validity: buffer(), values: buffer()}
		want := f.width * int(length)
		if f.width == 0 {
			c.text, want = buffer(), 4*(int(length)+1)
		}
		if len(c.validity) == 0 {
			c.validity = nil
		}
		columns[i] = c
		damaged = damaged || length != uint64(s.rows*f.items) || len(c.values) != want || c.validity != nil && len(c.validity) != (int(length)+7)/8
	}
	if again, _ := s.appendMetadata(nil, s.rows, columns, s.chunks); damaged || !bytes.Equal(again, s.text[:len(s.batch)]) {
		return errDamaged
	}
	return nil
}

// buffer returns the content of a buffer with its prefix, and false if it is damaged.
func (s *stored) buffer(b []byte) ([]byte, bool) {
	c := chunk{b, asItIs}
	if s.prefix > 0 && len(b) > 0 {
		if len(b) < s.prefix {
			return nil, false
		}
		c = chunk{b[s.prefix:], int(binary.LittleEndian.Uint64(b))}
	}
	s.chunks = append(s.chunks, c)
	if c.size == asItIs {
		return c.data, true
	}
	from := len(s.unpacked)
	var ok bool
	s.unpacked, ok = appendContent(s.unpacked, c.data, c.size)
	return s.unpacked[from:len(s.unpacked):len(s.unpacked)], ok
}

// concatenate appends the values of more to those of c, which has rows rows.
func (c *vector) concatenate(f field, rows int, more vector, moreRows int) error {
	n, m := rows*f.items, moreRows*f.items
	if c.validity != nil || more.validity != nil {
		if c.validity == nil {
			c.validity = bytes.Repeat([]byte{0xff}, (n+7)/8)
			if n%8 > 0 {
				c.validity[n/8] = 1<<(n%8) - 1
			}
		}
		for i := range m {
			if (n+i)%8 == 0 {
				c.validity = append(c.validity, 0)
			}
			bit := byte(1) << ((n + i) % 8)
			c.validity[(n+i)/8] &^= bit
			if more.validity == nil || more.validity[i/8]>>(i%8)&1 == 1 {
				c.validity[(n+i)/8] |= bit
			}
		}
	}
	c.nulls += more.nulls
	if f.width > 0 {
		c.values = append(c.values, more.values...)
		return nil
	}
	if len(c.values) == 0 {
		c.values = make([]byte, 4)
	}
	base := uint32(len(c.text))
	for i := range moreRows {
		c.values = binary.LittleEndian.AppendUint32(c.values, base+binary.LittleEndian.Uint32(more.values[4*(i+1):]))
	}
	if c.text = append(c.text, more.text...); len(c.text) > math.MaxInt32 {
		return fmt.Errorf("column %s: more than 2 GiB of text in one batch", f.name)
	}
	return nil
}
