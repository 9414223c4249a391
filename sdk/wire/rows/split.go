package rows

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// byteStreamSplit is the encoding that stores the first bytes of all values of a page, then
// their second bytes, and so on. Arrow's reader does not have it.
const byteStreamSplit = parquet.Encoding(9)

// splitTypes are the types whose values may be split.
var splitTypes = []parquet.Type{parquet.Types.Float, parquet.Types.Double, parquet.Types.Int32, parquet.Types.Int64, parquet.Types.FixedLenByteArray}

// extended is a Parquet file that goes on after its end: there are the columns of the current
// row group that are split in the file, in plain encoding and not compressed, as if they had
// been written so. The metadata of these columns refers to them.
type extended struct {
	*os.File
	size  int64
	added *memory.Buffer
}

func (e *extended) ReadAt(p []byte, at int64) (int, error) {
	if at < e.size {
		return e.File.ReadAt(p, at)
	}
	n := copy(p, e.added.Bytes()[min(at-e.size, int64(e.added.Len())):])
	if n < len(p) {
		return n, errors.New("the file is damaged: a page is longer than its column")
	}
	return n, nil
}

// join adds the split columns of a row group among leaves, in place of those added before.
func (e *extended) join(in *file.Reader, group int, leaves []int) error {
	e.added.ResizeNoShrink(0)
	for _, leaf := range leaves {
		of := in.MetaData().RowGroups[group].Columns[leaf].MetaData
		chunk, err := in.MetaData().RowGroup(group).ColumnChunk(leaf)
		if err != nil {
			return err
		}
		if !slices.Contains(chunk.Encodings(), byteStreamSplit) {
			continue
		}
		pages, err := in.RowGroup(group).GetColumnPageReader(leaf)
		if err != nil {
			return err
		}
		start := e.added.Len()
		for pages.Next() {
			if err := e.add(pages.Page(), in.MetaData().Schema.Column(leaf)); err != nil {
				return fmt.Errorf("the file is damaged: row group %d: %w", group+1, err)
			}
		}
		if err := pages.Err(); err != nil {
			return err
		}
		of.Codec, of.DictionaryPageOffset = 0, nil
		of.DataPageOffset = e.size + int64(start)
		of.TotalCompressedSize = int64(e.added.Len() - start)
		of.TotalUncompressedSize = of.TotalCompressedSize
	}
	return nil
}

// add appends a page, with its values joined if they are split.
func (e *extended) add(p file.Page, of *schema.Column) error {
	data, encoding := p.Data(), parquet.Encoding(p.Encoding())
	plain := encoding
	if encoding == byteStreamSplit {
		plain = parquet.Encodings.Plain
	}
	var h header
	size, levels := int32(len(data)), 0
	switch p := p.(type) {
	case *file.DictionaryPage:
		h.i32s(1, 2, size, size).inside(4).i32s(1, p.NumValues(), int32(plain)).end().end()
	case *file.DataPageV1:
		var err error
		if levels, err = levelsOf(p, of); err != nil {
			return err
		}
		h.i32s(1, 0, size, size).inside(2).i32s(1, p.NumValues(), int32(plain), int32(p.DefinitionLevelEncoding()), int32(p.RepetitionLevelEncoding())).end().end()
	case *file.DataPageV2:
		levels = int(p.DefinitionLevelByteLen()) + int(p.RepetitionLevelByteLen())
		h.i32s(1, 3, size, size).inside(5).
			i32s(1, p.NumValues(), p.NumNulls(), p.NumRows(), int32(plain), p.DefinitionLevelByteLen(), p.RepetitionLevelByteLen()).no().end().end()
	}
	if levels > len(data) {
		return errors.New("a page is shorter than its levels")
	}
	at := e.added.Len()
	e.reserve(at + len(h) + len(data))
	to := e.added.Bytes()[at:]
	to = to[copy(to, h):]
	to = to[copy(to, data[:levels]):]
	if encoding != byteStreamSplit {
		copy(to, data[levels:])
		return nil
	}
	width := of.TypeLength()
	if of.PhysicalType() != parquet.Types.FixedLenByteArray {
		width = of.PhysicalType().ByteSize()
	}
	return joinBytes(to, data[levels:], width)
}

// levelsOf returns the number of bytes of the levels in front of the values of a page.
func levelsOf(p *file.DataPageV1, of *schema.Column) (n int, err error) {
	for _, levels := range []struct {
		most     int16
		encoding parquet.Encoding
	}{{of.MaxRepetitionLevel(), p.RepetitionLevelEncoding()}, {of.MaxDefinitionLevel(), p.DefinitionLevelEncoding()}} {
		switch {
		case levels.most == 0:
		case levels.encoding != parquet.Encodings.RLE || n < 0 || len(p.Data()) < n+4:
			return 0, errors.New("the levels of a page cannot be read")
		default:
			n += 4 + int(int32(binary.LittleEndian.Uint32(p.Data()[n:])))
		}
	}
	if n < 0 {
		return 0, errors.New("the levels of a page have a negative length")
	}
	return n, nil
}

// joinBytes joins split values of width bytes each.
func joinBytes(to, split []byte, width int) error {
	if width <= 0 || len(split)%width != 0 {
		return fmt.Errorf("a page has %d bytes for values of %d bytes", len(split), width)
	}
	n := len(split) / width
	for k := range width {
		for i, b := range split[k*n : (k+1)*n] {
			to[i*width+k] = b
		}
	}
	return nil
}

// reserve makes added n bytes long.
func (e *extended) reserve(n int) {
	if n > e.added.Cap() {
		e.added.Reserve(max(n, 2*e.added.Cap()))
	}
	e.added.ResizeNoShrink(n)
}

// header is the header of a page in the compact protocol of Thrift, see PageHeader in
// https://github.com/apache/parquet-format. A field begins with how far its number is from
// that of the one before.
type header []byte

// i32s appends integers: the first one step from the field before, the others one each.
func (h *header) i32s(step byte, values ...int32) *header {
	for _, v := range values {
		*h = append(*h, step<<4|5)
		*h = binary.AppendVarint(*h, int64(v))
		step = 1
	}
	return h
}

// inside begins a struct.
func (h *header) inside(step byte) *header { return h.byte(step<<4 | 12) }

// no appends a truth value that is false.
func (h *header) no() *header { return h.byte(1<<4 | 2) }

// end ends a struct.
func (h *header) end() *header { return h.byte(0) }

func (h *header) byte(b byte) *header {
	*h = append(*h, b)
	return h
}
