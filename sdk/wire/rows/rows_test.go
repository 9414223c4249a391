package rows

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// sample is a table of n rows, with a column for every kind of cell.
func sample(n int) arrow.Table {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "t", Type: &arrow.TimestampType{Unit: arrow.Second, TimeZone: "UTC"}, Nullable: true},
		{Name: "day", Type: arrow.FixedWidthTypes.Date32},
		{Name: "level", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "site", Type: arrow.PrimitiveTypes.Int16},
		{Name: "sensor", Type: arrow.BinaryTypes.String},
		{Name: "good", Type: arrow.FixedWidthTypes.Boolean},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range n {
		b.Field(0).(*array.TimestampBuilder).Append(arrow.Timestamp(i))
		b.Field(1).(*array.Date32Builder).Append(arrow.Date32(i))
		if i%3 == 2 {
			b.Field(2).AppendNull()
		} else {
			b.Field(2).(*array.Float64Builder).Append(float64(i) / 2)
		}
		b.Field(3).(*array.Int16Builder).Append(int16(i))
		b.Field(4).(*array.StringBuilder).Append(strings.Repeat("a", i%4))
		b.Field(5).(*array.BooleanBuilder).Append(i%2 == 0)
	}
	return array.NewTableFromRecords(schema, []arrow.Record{b.NewRecord()})
}

// written returns t as files, by their extensions and how they are packed.
func written(t testing.TB, of arrow.Table) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for name, codec := range map[string]compress.Compression{"plain": compress.Codecs.Uncompressed, "snappy": compress.Codecs.Snappy, "zstd": compress.Codecs.Zstd, "gzip": compress.Codecs.Gzip} {
		var b bytes.Buffer
		if err := pqarrow.WriteTable(of, &b, max(1, of.NumRows()/2), parquet.NewWriterProperties(parquet.WithCompression(codec)), pqarrow.DefaultWriterProps()); err != nil {
			t.Fatal(err)
		}
		files[name+".parquet"] = b.Bytes()
	}
	for name, options := range map[string][]ipc.Option{"plain": nil, "lz4": {ipc.WithLZ4()}, "zstd": {ipc.WithZstd()}} {
		path := filepath.Join(t.TempDir(), name)
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		w, err := ipc.NewFileWriter(out, append(options, ipc.WithSchema(of.Schema()))...)
		if err != nil {
			t.Fatal(err)
		}
		batches := array.NewTableReader(of, max(1, of.NumRows()/2))
		for batches.Next() {
			if err := w.Write(batches.Record()); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), out.Close()); err != nil {
			t.Fatal(err)
		}
		if files[name+".arrow"], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// read returns how many rows a file has, and the kinds of the cells of its last one.
func read(path string) (rows int, kinds []Kind, err error) {
	r, err := Open(path)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = r.Close() }()
	columns := make([]int, len(r.Names()))
	for i := range columns {
		columns[i] = i
	}
	if err := r.Select(columns); err != nil {
		return 0, nil, err
	}
	cells := make([]Cell, len(columns))
	for {
		ok, err := r.Next(cells)
		if !ok || err != nil {
			return rows, kinds, err
		}
		rows, kinds = rows+1, kinds[:0]
		for _, c := range cells {
			kinds = append(kinds, c.Kind)
		}
	}
}

func TestRead(t *testing.T) {
	for name, file := range written(t, sample(1000)) {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if rows, kinds, err := read(path); err != nil || rows != 1000 || len(kinds) != 6 || kinds[0] != Instant || kinds[1] != Wall || kinds[2] != Number || kinds[4] != Text || kinds[5] != Number {
			t.Errorf("%s: %d rows, %v, %v", name, rows, kinds, err)
		}
	}
}

// A file that says it holds more than there is memory is refused.
func TestAnnouncedSizes(t *testing.T) {
	file := written(t, sample(10))["plain.arrow"]
	footer := int(binary.LittleEndian.Uint32(file[len(file)-10:]))
	huge := 0
	for i := len(file) - 10 - footer; i+8 <= len(file)-10; i += 4 { // bodies of batches are 64-bit numbers in the footer
		body := binary.LittleEndian.Uint64(file[i:])
		if body < 64 || body > uint64(len(file)) || body%8 != 0 {
			continue
		}
		damaged := bytes.Clone(file)
		binary.LittleEndian.PutUint64(damaged[i:], 1<<45)
		path := filepath.Join(t.TempDir(), "damaged.arrow")
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := read(path); err != nil && strings.Contains(err.Error(), "asks for 35184372088832 bytes of memory") {
			huge++
		}
	}
	if huge == 0 {
		t.Error("no size of a body was found in the footer")
	}
}

// Damaged pages on which Arrow's reader goes in circles are given up.
func TestCircles(t *testing.T) {
	defer func(was time.Duration) { patience = was }(patience)
	patience = 300 * time.Millisecond
	if _, _, err := read("testdata/circles.parquet"); err == nil || !strings.Contains(err.Error(), "makes no progress for 300ms") {
		t.Errorf("got %v", err)
	}
}

// FuzzRows holds the reader to what it promises of any file: rows or an error, in memory
// and time that follow from its size, and no panic. Of Parquet files it looks at what
// they say of themselves alone: see TestCircles.
func FuzzRows(f *testing.F) {
	for name, file := range written(f, sample(7)) {
		f.Add(file, strings.HasSuffix(name, ".parquet"))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, isParquet bool) {
		path := filepath.Join(dir, "data.arrow")
		if isParquet {
			path = filepath.Join(dir, "data.parquet")
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		if r, err := Open(path); err == nil {
			columns := make([]int, len(r.Names()))
			for i := range columns {
				columns[i] = i
			}
			_, _ = r.Select(columns), r.Close()
		}
		if !isParquet {
			_, _, _ = read(path)
		}
		runtime.ReadMemStats(&after)
		if used, took := after.TotalAlloc-before.TotalAlloc, time.Since(start); used > 4<<30 || took > 20*time.Second {
			t.Fatalf("%d bytes of file: allocated %d bytes in %v", len(text), used, took)
		}
	})
}
