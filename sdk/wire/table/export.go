package table

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/csv"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// ToParquet writes the table from as the Parquet file to, compressed with zstd, in one of
// the layouts. Dates are timestamps in milliseconds without a time zone, in UTC. The file includes the Arrow schema, so that readers that support it get
// units and shapes back. ToParquet does not overwrite. Cost: memory for a row group of 64 MB and its
// compressed columns, or for some batches that are larger. When ctx is done it stops after a batch.
func ToParquet(ctx context.Context, to, from string, layout Layout, dates Dates) error {
	shape := func(s *arrow.Schema) (*reshaper, error) { return shaped(s, layout, dates, false) }
	return convert(ctx, to, from, shape, func(f *os.File, s *arrow.Schema) (sink, error) {
		options := []parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Zstd), parquet.WithMaxRowGroupLength(math.MaxInt64), parquet.WithCreatedBy("plume")}
		for _, f := range s.Fields() { // a dictionary does not pay for numbers that hardly repeat
			switch f.Type.ID() {
			case arrow.FLOAT64, arrow.FLOAT32:
				options = append(options, parquet.WithDictionaryFor(f.Name, false))
			case arrow.FIXED_SIZE_LIST:
				options = append(options, parquet.WithDictionaryFor(f.Name+".list.element", false))
			}
		}
		properties := parquet.NewWriterProperties(options...)
		w, err := pqarrow.NewFileWriter(s, keepOpen{f}, properties, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
		if err != nil {
			return sink{}, err
		}
		// Row groups end with what is written at once: Arrow's writer writes the lists of a part of it wrongly.
		var rows, bytes int64
		g := &gathered{write: func(r arrow.Record, size int64) error {
			if rows > 0 && (rows+r.NumRows() > rowGroup || bytes+size > rowGroupBytes) {
				w.NewBufferedRowGroup()
				rows, bytes = 0, 0
			}
			rows, bytes = rows+r.NumRows(), bytes+size
			return w.WriteBuffered(r)
		}}
		return sink{g.add, func() error { return errors.Join(g.flush(), w.Close()) }}, nil
	})
}

func init() {
	if zstd, err := compress.GetCodec(compress.Codecs.Zstd); err == nil {
		compress.RegisterCodec(compress.Codecs.Zstd, oneEncoder{zstd})
	}
}

// oneEncoder compresses every page with the encoder that the codec keeps for its usual
// level, the only one used here. The codec's own EncodeLevel sets up an encoder for every
// page, which takes ten times as long as compressing a small one.
type oneEncoder struct{ compress.Codec }

func (c oneEncoder) EncodeLevel(dst, src []byte, _ int) []byte { return c.Encode(dst, src) }

// gathered puts small record batches together before they are written: each write of Arrow's
// Parquet writer costs as much as compressing some kilobytes.
type gathered struct {
	write   func(r arrow.Record, bytes int64) error
	batches []arrow.Record
	rows    int64
	bytes   int64
}

// gatheredBytes is how much is written at once, unless a batch has more.
const gatheredBytes = 4 << 20

func (g *gathered) add(r arrow.Record) error {
	size := int64(0)
	for _, c := range r.Columns() {
		size += bytesOf(c.Data())
	}
	var err error
	if g.bytes+size > gatheredBytes || g.rows+r.NumRows() > rowGroup {
		err = g.flush()
	}
	r.Retain()
	g.batches, g.rows, g.bytes = append(g.batches, r), g.rows+r.NumRows(), g.bytes+size
	return err
}

// flush writes the batches.
func (g *gathered) flush() error {
	if len(g.batches) == 0 {
		return nil
	}
	whole := g.batches[0]
	if len(g.batches) > 1 {
		columns := make([]arrow.Array, whole.NumCols())
		for c := range columns {
			parts := make([]arrow.Array, len(g.batches))
			for i, r := range g.batches {
				parts[i] = r.Column(c)
			}
			columns[c] = concatenated(parts)
		}
		whole = array.NewRecord(whole.Schema(), columns, g.rows)
	}
	err := g.write(whole, g.bytes)
	for _, r := range g.batches {
		r.Release()
	}
	g.batches, g.rows, g.bytes = g.batches[:0], 0, 0
	return err
}

// bytesOf returns the bytes of the buffers of an array.
func bytesOf(d arrow.ArrayData) (n int64) {
	for _, b := range d.Buffers() {
		if b != nil {
			n += int64(b.Len())
		}
	}
	for _, child := range d.Children() {
		n += bytesOf(child)
	}
	return n
}

// rowGroup and rowGroupBytes are the largest numbers of rows of a Parquet file, and of their
// bytes, that are compressed together and held in memory, unless a batch has more.
const (
	rowGroup      = 1 << 17
	rowGroupBytes = 64 << 20
)

// keepOpen keeps a writer from closing the file.
type keepOpen struct{ *os.File }

func (keepOpen) Close() error { return nil }

// ToCSV writes the table from as the file to, comma-separated with a header line, in
// layout [Wide] or [Tidy]. Null is an empty field, and numbers have as many digits as are
// needed to read them back exactly. Dates are written as 2006-01-02T15:04:05.000Z. It does
// not overwrite. When ctx is done it stops after a batch.
func ToCSV(ctx context.Context, to, from string, layout Layout, dates Dates) error {
	if layout != Wide && layout != Tidy {
		return fmt.Errorf("layout: got %q, want %s or %s: a field of a CSV file cannot hold a list", layout, Wide, Tidy)
	}
	shape := func(s *arrow.Schema) (*reshaper, error) { return shaped(s, layout, dates, true) }
	return convert(ctx, to, from, shape, func(f *os.File, s *arrow.Schema) (sink, error) {
		w := csv.NewWriter(f, s, csv.WithHeader(true), csv.WithNullWriter(""))
		columns := make([]arrow.Array, s.NumFields())
		for c := range columns {
			columns[c] = array.MakeArrayOfNull(memory.DefaultAllocator, s.Field(c).Type, 0)
		}
		return sink{w.Write, w.Flush}, w.Write(array.NewRecord(s, columns, 0)) // the header, also for a table without rows
	})
}

// sink writes record batches.
type sink struct {
	write func(arrow.Record) error
	close func() error
}

// convert writes the batches of a table, as shape arranges them, to the sink that open makes
// for a new file, until ctx is done.
func convert(ctx context.Context, to, from string, shape func(*arrow.Schema) (*reshaper, error), open func(*os.File, *arrow.Schema) (sink, error)) (err error) {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var as *reshaper
	var out sink
	err = scan(from, visitor{
		schema: func(s *arrow.Schema) (err error) {
			if as, err = shape(s); err == nil {
				out, err = open(f, as.schema)
			}
			return err
		},
		record: func(r arrow.Record) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return out.write(as.batch(r))
		},
	})
	if out.close != nil && ctx.Err() == nil {
		err = errors.Join(err, out.close())
	}
	return err
}
