package rows

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
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

// opened opens a file as what its name says it is.
func opened(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	reader := Arrow
	if filepath.Ext(path) == ".parquet" {
		reader = Parquet
	}
	r, err := reader(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// every returns references to all cells of a row; of lists, to at most 100 items.
func every(r *Reader) []Ref {
	var refs []Ref
	for i, c := range r.Columns() {
		for k := range min(max(1, c.Items), 100) {
			refs = append(refs, Ref{i, k})
		}
	}
	return refs
}

// read returns the rows of a file: the cells that are named, or all.
func read(path string, refs ...Ref) (rows [][]Cell, err error) {
	r, err := opened(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	if len(refs) == 0 {
		refs = every(r)
	}
	if err := r.Select(refs); err != nil {
		return nil, err
	}
	for {
		cells := make([]Cell, len(refs))
		ok, err := r.Next(cells)
		if !ok || err != nil {
			return rows, err
		}
		rows = append(rows, cells)
	}
}

// put writes a file into a folder of its own and returns its path.
func put(t testing.TB, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRead(t *testing.T) {
	for name, text := range written(t, sample(1000)) {
		rows, err := read(put(t, name, text))
		if err != nil || len(rows) != 1000 {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
			continue
		}
		want := []Cell{{Kind: Instant, Time: time.Unix(997, 0).UTC()}, {Kind: Wall, Time: time.Unix(997*86400, 0).UTC()}, {Kind: Number, Number: 498.5},
			{Kind: Number, Number: 997}, {Kind: Text, Text: "a"}, {Kind: Number}}
		if !reflect.DeepEqual(rows[997], want) || rows[998][2].Kind != Null {
			t.Errorf("%s: got %+v, %+v", name, rows[997], rows[998][2])
		}
	}
}

// The items of lists are cells of their own, in any order, null ones among them. Arrow's Go
// writer writes lists into the later row groups of a Parquet file wrongly; TestEncodings
// reads those of pyarrow.
func TestLists(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "x", Type: arrow.PrimitiveTypes.Int32},
		{Name: "u", Type: arrow.FixedSizeListOf(3, arrow.PrimitiveTypes.Float64), Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	lists := b.Field(1).(*array.FixedSizeListBuilder)
	items := lists.ValueBuilder().(*array.Float64Builder)
	for i := range 10 {
		b.Field(0).(*array.Int32Builder).Append(int32(i))
		lists.Append(true)
		items.AppendValues([]float64{float64(10 * i), float64(10*i + 1), float64(10*i + 2)}, []bool{true, i != 4, true})
	}
	number := func(v float64) Cell { return Cell{Kind: Number, Number: v} }
	for name, text := range written(t, array.NewTableFromRecords(schema, []arrow.Record{b.NewRecord()})) {
		if filepath.Ext(name) == ".parquet" {
			continue
		}
		r, err := opened(put(t, name, text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := []Column{{"x", 0}, {"u", 3}}; !reflect.DeepEqual(r.Columns(), want) {
			t.Errorf("%s: got %v, want %v", name, r.Columns(), want)
		}
		if err := r.Select([]Ref{{1, 2}, {0, 0}, {1, 1}}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range 10 {
			cells := make([]Cell, 3)
			want := []Cell{number(float64(10*i + 2)), number(float64(i)), number(float64(10*i + 1))}
			if i == 4 {
				want[2] = Cell{}
			}
			if ok, err := r.Next(cells); !ok || err != nil || !reflect.DeepEqual(cells, want) {
				t.Errorf("%s: row %d: got %v, %v, %v, want %v", name, i, cells, ok, err, want)
			}
		}
		if ok, err := r.Next(make([]Cell, 3)); ok || err != nil {
			t.Errorf("%s: got %v, %v at the end", name, ok, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// encoded writes Parquet files with a column v of one type in one encoding or with one
// codec, next to the number i of the row: v is i where i is no multiple of 3, else null.
const encoded = `
import sys
import pyarrow as pa, pyarrow.parquet

folder = sys.argv[1]
n = range(20000)
types = {"int32": pa.int32(), "int64": pa.int64(), "float": pa.float32(), "double": pa.float64(), "string": pa.string(), "bool": pa.bool_(), "decimal": pa.decimal128(20, 3)}
own = {"int32": ["DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"], "float": ["BYTE_STREAM_SPLIT"], "string": ["DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"], "bool": ["RLE"],
       "decimal": ["BYTE_STREAM_SPLIT", "DELTA_BYTE_ARRAY"]}
own["int64"], own["double"] = own["int32"], own["float"]

def write(name, v, version="1.0", **options):
    i = pa.array(n, pa.int64())
    pa.parquet.write_table(pa.table({"v": v, "i": i}), f"{folder}/{name}.parquet", row_group_size=9000, data_page_version=version, **options)

for kind, type in types.items():
    values = [None if i % 3 == 0 else i % 2 == 1 if kind == "bool" else str(i) if kind in ("string", "decimal") else i for i in n]
    v = pa.array(values).cast(type)
    write(f"{kind} RLE_DICTIONARY", v)
    for encoding in ["PLAIN"] + own[kind]:
        for version in "1.0", "2.0":
            write(f"{kind} {encoding} {version}", v, version, use_dictionary=False, column_encoding={"v": encoding})
v = pa.array([None if i % 3 == 0 else float(i) for i in n])
for codec in "none", "snappy", "gzip", "brotli", "zstd", "lz4":
    for version in "1.0", "2.0":
        write(f"double {codec} {version}", v, version, compression=codec)
        write(f"double {codec} {version} split", v, version, compression=codec, use_dictionary=False, column_encoding={"v": "BYTE_STREAM_SPLIT"}, data_page_size=9000)
write("list", pa.FixedSizeListArray.from_arrays(v, 1))
write("list split", pa.FixedSizeListArray.from_arrays(v, 1), use_dictionary=False, column_encoding={"v.list.element": "BYTE_STREAM_SPLIT"})
write("required split", pa.array(n).cast(pa.float32()), use_dictionary=False, column_encoding={"v": "BYTE_STREAM_SPLIT", "i": "BYTE_STREAM_SPLIT"})
for unit in "ms", "us", "ns": # numbers of milliseconds
    write(f"time {unit} split", pa.array([None if i % 3 == 0 else i for i in n]).cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp(unit, "UTC")), use_dictionary=False, column_encoding={"v": "BYTE_STREAM_SPLIT"})
`

// A Parquet file is read whole or refused, whatever its encodings and codecs.
func TestEncodings(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("NOT TESTED: PLUME_PYTHON does not name a python with pyarrow; make test sets it")
	}
	dir := t.TempDir()
	if out, err := exec.Command(python, "-c", encoded, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if err != nil || len(files) < 60 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".parquet")
		kind, rest, _ := strings.Cut(name, " ")
		encoding, _, _ := strings.Cut(rest, " ")
		rows, err := read(path)
		if kind == "decimal" && encoding == "DELTA_BYTE_ARRAY" {
			var unsupported *UnsupportedError
			if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), `column "v" is encoded as `+encoding) {
				t.Errorf("%s: got %d rows, %v", name, len(rows), err)
			}
			continue
		}
		if err != nil || len(rows) != 20000 {
			t.Errorf("%s: got %d rows, %v", name, len(rows), err)
			continue
		}
		for i, row := range rows {
			want := Cell{Kind: Number, Number: float64(i)}
			switch {
			case i%3 == 0 && kind != "required":
				want = Cell{}
			case kind == "time":
				want = Cell{Kind: Instant, Time: time.UnixMilli(int64(i)).UTC()}
			case kind == "string":
				want = Cell{Kind: Text, Text: strconv.Itoa(i)}
			case kind == "bool":
				want.Number = float64(i % 2)
			}
			if row[0] != want || row[1].Number != float64(i) {
				t.Errorf("%s, row %d: got %+v, want %+v", name, i, row, want)
				break
			}
		}
	}
}

// Refusals, encodings and codecs that do not need a python to be tested. The files have 3 rows.
func TestCommitted(t *testing.T) {
	for _, name := range []string{"byte-stream-split", "lz4"} {
		if rows, err := read("testdata/" + name + ".parquet"); err != nil || len(rows) != 3 || rows[2][1].Number != 10.3 {
			t.Errorf("%s: got %v, %v", name, rows, err)
		}
	}
	if rows, err := read("testdata/delta-byte-array.parquet"); err == nil || !strings.Contains(err.Error(), `column "level" is encoded as DELTA_BYTE_ARRAY, which is not supported for FIXED_LEN_BYTE_ARRAY`) {
		t.Errorf("got %d rows, %v", len(rows), err)
	}
}

// A split column whose pages are cut or have been changed gives rows or an error, and as
// many rows as its footer says.
func TestDamagedSplit(t *testing.T) {
	text, err := os.ReadFile("testdata/byte-stream-split.parquet")
	if err != nil {
		t.Fatal(err)
	}
	pages := len(text) - 8 - int(binary.LittleEndian.Uint32(text[len(text)-8:]))
	for at := 4; at < pages; at++ {
		for _, b := range []byte{0, 0xff, text[at] ^ 1, text[at] ^ 0x80} {
			damaged := bytes.Clone(text)
			damaged[at] = b
			if rows, err := read(put(t, "damaged.parquet", damaged)); err == nil && len(rows) != 3 {
				t.Errorf("byte %d is %#x: got %d rows", at, b, len(rows))
			}
		}
	}
}

// The Arrow schema in a Parquet file may be damaged in any bit: Arrow's reader would ask for
// as much memory as it announces, without a limit.
func TestDamagedStoredSchema(t *testing.T) {
	var b bytes.Buffer
	if err := pqarrow.WriteTable(sample(4), &b, 4, parquet.NewWriterProperties(), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema())); err != nil {
		t.Fatal(err)
	}
	text := b.Bytes()
	at := bytes.Index(text, []byte("ARROW:schema"))
	if at < 0 {
		t.Fatal("no schema is stored")
	}
	refused := 0
	for ; at < len(text)-8; at++ {
		for bit := 0; bit < 8; bit += 2 {
			damaged := bytes.Clone(text)
			damaged[at] ^= 1 << bit
			rows, err := read(put(t, "damaged.parquet", damaged))
			if err == nil && len(rows) != 4 {
				t.Errorf("bit %d of byte %d: got %d rows", bit, at, len(rows))
			}
			if err != nil {
				refused++
			}
		}
	}
	if refused == 0 {
		t.Error("nothing is refused")
	}
}

// A fault in the header of a page, at which Arrow's reader ends quietly, is noticed by
// the number of rows.
func TestRowsAreCounted(t *testing.T) {
	text := written(t, sample(1000))["plain.parquet"]
	in, err := file.NewParquetReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for group := range in.NumRowGroups() {
		for leaf := range in.MetaData().Schema.NumColumns() {
			c, err := in.MetaData().RowGroup(group).ColumnChunk(leaf)
			if err != nil {
				t.Fatal(err)
			}
			damaged := bytes.Clone(text)
			for i := range 8 {
				damaged[int(c.DataPageOffset())+i] = 0xff
			}
			path := put(t, "damaged.parquet", damaged)
			if rows, err := read(path, Ref{Column: leaf}); err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("the file is damaged: 500 rows of its row group %d cannot be read; encodings are PLAIN, RLE", group+1)) {
				t.Errorf("row group %d, column %d: got %d rows, %v", group, leaf, len(rows), err)
			}
			if rows, err := read(path); err == nil {
				t.Errorf("row group %d, column %d of all: got %d rows, %v", group, leaf, len(rows), err)
			}
		}
	}
}

// A file that says it holds more than there is memory is refused.
func TestAnnouncedSizes(t *testing.T) {
	text := written(t, sample(10))["plain.arrow"]
	footer := int(binary.LittleEndian.Uint32(text[len(text)-10:]))
	huge := 0
	for i := len(text) - 10 - footer; i+8 <= len(text)-10; i += 4 { // bodies of batches are 64-bit numbers in the footer
		body := binary.LittleEndian.Uint64(text[i:])
		if body < 64 || body > uint64(len(text)) || body%8 != 0 {
			continue
		}
		damaged := bytes.Clone(text)
		binary.LittleEndian.PutUint64(damaged[i:], 1<<45)
		if _, err := read(put(t, "damaged.arrow", damaged)); err != nil && strings.Contains(err.Error(), "asks for 35184372088832 bytes of memory") {
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
	if _, err := read("testdata/circles.parquet"); err == nil || !strings.Contains(err.Error(), "has made no progress for 300ms") {
		t.Errorf("got %v", err)
	}
}

// FuzzRows holds the reader to what it promises of any file: rows or an error, in memory
// and time that follow from its size, and no panic. Of Parquet files it looks at what
// they say of themselves alone: see TestCircles.
func FuzzRows(f *testing.F) {
	for name, text := range written(f, sample(7)) {
		f.Add(text, strings.HasSuffix(name, ".parquet"))
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
		if r, err := opened(path); err == nil {
			_, _ = r.Select(every(r)), r.Close()
		}
		if !isParquet {
			_, _ = read(path)
		}
		runtime.ReadMemStats(&after)
		if used, took := after.TotalAlloc-before.TotalAlloc, time.Since(start); used > 4<<30 || took > 20*time.Second {
			t.Fatalf("%d bytes of file: allocated %d bytes in %v", len(text), used, took)
		}
	})
}
