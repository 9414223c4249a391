package rows

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/pierrec/lz4/v4"
	"github.com/plume-da/plume/sdk/wire"
)

// Parquet returns a reader of a Parquet file. It takes over f unless there is an error.
func Parquet(f *os.File) (*Reader, error) { return open(f, (*Reader).parquet) }

func (r *Reader) parquet() error {
	bounded := wire.Bounded(r.size, wire.AnyPacking)
	whole := &extended{File: r.file, size: r.size, added: memory.NewResizableBuffer(bounded)}
	in, err := file.NewParquetReader(whole, file.WithReadProps(parquet.NewReaderProperties(bounded)))
	if err != nil {
		return err
	}
	announced := in.NumRows()
	for i := range in.NumRowGroups() {
		announced -= in.MetaData().RowGroups[i].NumRows
		for _, c := range in.MetaData().RowGroups[i].Columns {
			if size := c.MetaData.GetTotalCompressedSize(); size < 0 || size > r.size {
				return fmt.Errorf("the file is damaged: a column of %d bytes in a file of %d", size, r.size)
			}
		}
	}
	if announced != 0 {
		return errors.New("the file is damaged: its row groups do not have the number of rows in its footer")
	}
	if err := checkStored(in.MetaData()); err != nil {
		return fmt.Errorf("the file is damaged: its schema: %w", err)
	}
	p, err := pqarrow.NewFileReader(in, pqarrow.ArrowReadProperties{}, bounded)
	if err != nil {
		return err
	}
	for i := range p.Manifest.Fields {
		field := p.Manifest.Fields[i].Field
		r.columns = append(r.columns, columnOf(*field))
		// dictionaries of several row groups cannot be read as such
		if d, ok := field.Type.(*arrow.DictionaryType); ok {
			field.Type = d.ValueType
		}
	}
	r.open = func(fields []int) (batches, error) {
		g := &groups{in: p, file: in, whole: whole, of: in.MetaData()}
		for _, k := range fields {
			leaf, err := leafOf(&p.Manifest.Fields[k])
			if err == nil {
				err = supported(g.of, leaf)
			}
			if err != nil {
				return nil, fmt.Errorf("column %q %w", r.columns[k].Name, err)
			}
			g.leaves = append(g.leaves, leaf)
		}
		return g, nil
	}
	return nil
}

// checkStored checks the Arrow schema that may be stored in a file, a stream without
// batches, before Arrow's reader makes room for what it announces.
func checkStored(m *metadata.FileMetaData) error {
	stored := m.KeyValueMetadata().FindValue("ARROW:schema")
	if stored == nil {
		return nil
	}
	text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(*stored, "="))
	if err != nil {
		return err
	}
	end, err := wire.StreamEnd(bytes.NewReader(text), 0, int64(len(text)))
	if err == nil && end == 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// leafOf returns the index of the leaf with the values of a column: a column of lists has
// its values below it.
func leafOf(f *pqarrow.SchemaField) (int, error) {
	at := f
	if _, ok := f.Field.Type.(*arrow.FixedSizeListType); ok && len(f.Children) == 1 {
		at = &f.Children[0]
	}
	if !at.IsLeaf() {
		return 0, unread(f.Field.Type)
	}
	return at.ColIndex, nil
}

// always are the encodings that are supported for any type. RLE and BitPacked are those of
// the levels that say which values are null.
var always = []parquet.Encoding{parquet.Encodings.Plain, parquet.Encodings.PlainDict, parquet.Encodings.RLEDict, parquet.Encodings.RLE, parquet.Encodings.BitPacked}

// encodings are the others by type, as Arrow's decoders support them.
var encodings = map[parquet.Type][]parquet.Encoding{
	parquet.Types.Int32:     {parquet.Encodings.DeltaBinaryPacked},
	parquet.Types.Int64:     {parquet.Encodings.DeltaBinaryPacked},
	parquet.Types.ByteArray: {parquet.Encodings.DeltaLengthByteArray, parquet.Encodings.DeltaByteArray},
}

// supported returns an error if the values of a leaf are encoded or compressed in a way
// that Arrow's reader does not support: for some it would return no values and no error.
func supported(m *metadata.FileMetaData, leaf int) error {
	for i := range m.RowGroups {
		c, err := m.RowGroup(i).ColumnChunk(leaf)
		if err != nil {
			return err
		}
		for _, e := range c.Encodings() {
			if !slices.Contains(always, e) && !slices.Contains(encodings[c.Type()], e) && !(e == byteStreamSplit && slices.Contains(splitTypes, c.Type())) {
				return &UnsupportedError{What: fmt.Sprintf("is encoded as %s, which is not supported for %s", e, c.Type()),
					Hint: "write it in plain or dictionary encoding; in pyarrow without column_encoding"}
			}
		}
		if _, err := compress.GetCodec(c.Compression()); err != nil {
			return &UnsupportedError{What: fmt.Sprintf("is compressed as %s, which is not supported", c.Compression()),
				Hint: "write it with snappy, zstd, gzip, brotli or LZ4_RAW, or without compression"}
		}
	}
	return nil
}

// groups is the batches of a Parquet file. Each row group has a reader of its own: Arrow's
// reader skips values of a group that it cannot read without an error, and the column
// would then be shifted against the others.
type groups struct {
	in     *pqarrow.FileReader
	file   *file.Reader
	whole  *extended
	of     *metadata.FileMetaData
	leaves []int
	next   int   // row group
	left   int64 // rows of the current one that are to be read
	reader pqarrow.RecordReader
	err    error
}

// Limits of a batch: mostValues in total, but at least leastRows of every column. A page
// should not be split over two batches: Arrow's reader cannot read integers with nulls that
// are packed as differences then. Row groups have at most 2^20 rows unless their writer was
// told otherwise.
const (
	mostValues = 1 << 22
	leastRows  = 1 << 14
)

func (g *groups) Next() bool {
	for g.left == 0 {
		if g.next == len(g.of.RowGroups) {
			return false
		}
		if g.reader != nil {
			g.reader.Release()
		}
		if g.err = g.whole.join(g.file, g.next, g.leaves); g.err != nil {
			return false
		}
		g.left = g.of.RowGroups[g.next].NumRows
		g.in.Props.BatchSize = min(g.left, max(leastRows, mostValues/int64(len(g.leaves))))
		if g.reader, g.err = g.in.GetRecordReader(context.Background(), g.leaves, []int{g.next}); g.err != nil {
			return false
		}
		g.next++
	}
	more, err := g.patiently()
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		g.err = err
	case !more || g.reader.Record().NumRows() > g.left:
		g.err = fmt.Errorf("the file is damaged: %d rows of its row group %d cannot be read; encodings are %s", g.left, g.next, g.encodings())
	default:
		g.left -= g.reader.Record().NumRows()
	}
	return g.err == nil
}

// encodings returns the names of the encodings of the current row group.
func (g *groups) encodings() string {
	var names []string
	for _, leaf := range g.leaves {
		for _, e := range g.of.RowGroups[g.next-1].Columns[leaf].MetaData.Encodings {
			names = append(names, e.String())
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// patience is how long the reader of a Parquet file may take for a batch: with damaged
// pages it may loop forever.
var patience = time.Minute

// patiently reads the next batch of a row group.
func (g *groups) patiently() (more bool, err error) {
	type answer struct {
		more bool
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() { done <- a }()
		defer rescue(&a.err)
		a.more = g.reader.Next()
		a.err = g.reader.Err()
	}()
	select {
	case a := <-done:
		return a.more, a.err
	case <-time.After(patience):
		return false, fmt.Errorf("the file is damaged: its reader has made no progress for %v", patience)
	}
}

func (g *groups) Record() arrow.Record {
	r := g.reader.Record()
	r.Retain() // Arrow's reader releases its own
	return r
}

func (g *groups) Err() error { return g.err }

// lz4Raw decompresses pages of LZ4 blocks, a codec that Arrow's reader does not have. It is
// not used for writing.
type lz4Raw struct{ compress.Codec }

func init() {
	const codec = 7 // LZ4_RAW of the Parquet format
	compress.RegisterCodec(codec, lz4Raw{})
}

// Decode fills dst, which has the unpacked size that is stored in the page.
func (lz4Raw) Decode(dst, src []byte) []byte {
	n, err := lz4.UncompressBlock(src, dst)
	if err == nil && n != len(dst) {
		err = fmt.Errorf("got %d bytes, want %d", n, len(dst))
	}
	if err != nil {
		panic(fmt.Errorf("a page of LZ4: %w", err)) // see rescue: the interface has no errors
	}
	return dst
}
