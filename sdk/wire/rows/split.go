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
	data, encoding, levels := p.Data(), parquet.Encoding(p.Encoding()), 0
	var h header
	switch p := p.(type) {
	case *file.DictionaryPage:
		h.i32s(1, 2, int32(len(data)), int32(len(data))).inside(4).i32s(1, p.NumValues(), int32(encoding)).end().end()
	case *file.DataPageV1:
		for _, max := range []struct {
			level    int16
			encoding parquet.Encoding
		}{{of.MaxRepetitionLevel(), p.RepetitionLevelEncoding()}, {of.MaxDefinitionLevel(), p.DefinitionLevelEncoding()}} {
			if max.level == 0 {
				continue
			}
			if max.encoding != parquet.Encodings.RLE || len(data) < levels+4 {
				return errors.New("a page whose levels cannot be read")
			}
			levels += 4 + int(binary.LittleEndian.Uint32(data[levels:]))
		}
		h.i32s(1, 0, int32(len(data)), int32(len(data))).inside(2).
			i32s(1, p.NumValues(), int32(joined(encoding)), int32(p.DefinitionLevelEncoding()), int32(p.RepetitionLevelEncoding())).end().end()
	case *file.DataPageV2:
		levels = int(p.DefinitionLevelByteLen() + p.RepetitionLevelByteLen())
		h.i32s(1, 3, int32(len(data)), int32(len(data))).inside(5).
			i32s(1, p.NumValues(), p.NumNulls(), p.NumRows(), int32(joined(encoding)), p.DefinitionLevelByteLen(), p.RepetitionLevelByteLen()).no().end().end()
	}
	if levels > len(data) {
		return errors.New("a page whose levels are longer than it")
	}
	at := e.added.Len() + len(h)
	e.reserve(at + len(data))
	copy(e.added.Bytes()[at-len(h):], h)
	values := e.added.Bytes()[at+copy(e.added.Bytes()[at:], data[:levels]):]
	if data = data[levels:]; encoding != byteStreamSplit {
		copy(values, data)
		return nil
	}
	width := of.TypeLength()
	if of.PhysicalType() != parquet.Types.FixedLenByteArray {
		width = of.PhysicalType().ByteSize()
	}
	if width <= 0 || len(data)%width != 0 {
		return fmt.Errorf("a page of %d bytes for values of %d bytes", len(data), width)
	}
	n := len(data) / width
	for k := range width {
		for i, b := range data[k*n : (k+1)*n] {
			values[i*width+k] = b
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

func joined(e parquet.Encoding) parquet.Encoding {
	if e == byteStreamSplit {
		return parquet.Encodings.Plain
	}
	return e
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
