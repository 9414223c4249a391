package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

var layout = &sdk.Layout{Variables: []sdk.Variable{{Name: "level", Unit: "m"}, {Name: "u", Shape: []int{2, 2}, Dims: []string{"a", "b"}}}}

var columns = append([]Column{
	{Name: "cycle", Type: Int32}, {Name: "stage", Type: Text}, {Name: "score", Type: Float64, Nullable: true},
}, Variables(layout)...)

func write(t *testing.T, path string, batches int) *Writer {
	t.Helper()
	w, err := Create(path, columns, map[string]string{"b": "2", "a": "1"})
	if err != nil {
		t.Fatal(err)
	}
	for k := range batches {
		v := float64(10 * k)
		err := w.Append(2, []int32{int32(k), int32(k)}, []string{"forecast", "analysis"},
			Nullable[float64]{Values: []float64{v, math.NaN()}, Valid: []bool{k%2 == 0, true}},
			Block{Matrix: mat.NewDense(2, 5, []float64{v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7, v + 8, v + 9})})
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func check(t *testing.T, got *Table, batches int) {
	t.Helper()
	if got.Rows != 2*batches || !reflect.DeepEqual(got.Names, []string{"cycle", "stage", "score", "level", "u"}) {
		t.Fatalf("got %d rows, %v", got.Rows, got.Names)
	}
	level, u := got.Column("level").([]float64), got.Column("u").([][]float64)
	for k := range batches {
		v := float64(10 * k)
		if level[2*k+1] != v+5 || !reflect.DeepEqual(u[2*k], []float64{v + 1, v + 2, v + 3, v + 4}) {
			t.Errorf("batch %d: got %v, %v", k, level[2*k+1], u[2*k])
		}
		if got.Valid[2][2*k] != (k%2 == 0) || !got.Valid[2][2*k+1] {
			t.Errorf("batch %d: nulls %v", k, got.Valid[2][2*k:2*k+2])
		}
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	if err := write(t, path, 3).Close(); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, 3)
	if _, err := os.Stat(path + Part); err == nil {
		t.Error("the part is still there")
	}
}

// While it is written the table can be read up to the last batch, also when the
// writer died in the middle of one.
func TestUnfinished(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	w := write(t, path, 3)
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, 3)
	if err := w.Abandon(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path + Part)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+Part, text[:len(text)-50], 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err = Read(path); err != nil {
		t.Fatal(err)
	}
	check(t, got, 2)
}

// A writer that died before its first batch leaves a table without rows.
func TestCutSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	if err := write(t, path, 1).Abandon(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path + Part)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 5, 8, 12, 100} {
		if err := os.WriteFile(path+Part, text[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(path); err != nil || got.Rows != 0 {
			t.Errorf("%d bytes: %+v, %v", n, got, err)
		}
	}
}

// What the messages of a part say of their lengths is not believed: where it cannot be, the
// part is damaged, else it ends there, and no memory is taken for it.
func TestDamagedPart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	if err := write(t, path, 3).Abandon(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path + Part)
	if err != nil {
		t.Fatal(err)
	}
	second := header // the third message, after the schema and a batch
	for range 2 {
		second += bytes.Index(text[second+1:], endOfStream[:4]) + 1
	}
	for _, tt := range []struct {
		at     int
		length uint32
		want   string // empty: cut
	}{
		{header, 0x7ffffff8, "message 0 is damaged: metadata of 2147483640 bytes; want at most 16777216"},
		{second, 0x7ffffff8, "message 2 is damaged: metadata of 2147483640 bytes"},
		{second, 0xfffffff8, "message 2 is damaged: metadata of 4294967288 bytes"},
		{second, 8, "message 2 is damaged"},
		{second - 4, 0, "message 2 is damaged: got 0x0 where"},
		{second, 1 << 23, ""},
		{second, 0, ""},
	} {
		damaged := bytes.Clone(text)
		binary.LittleEndian.PutUint32(damaged[tt.at+4:], tt.length)
		if err := os.WriteFile(path+Part, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := Read(path)
		runtime.ReadMemStats(&after)
		switch {
		case tt.want == "" && err == nil:
			check(t, got, 1)
		case tt.want == "" || err == nil || !strings.Contains(err.Error(), tt.want):
			t.Errorf("length %#x at %d: got %v, want %q", tt.length, tt.at, err, tt.want)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 { // a hundred times the file
			t.Errorf("length %#x at %d: took %d bytes of memory", tt.length, tt.at, used)
		}
	}
}

func TestReadSeveral(t *testing.T) {
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	other, err := Create(c, columns[:1], nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(write(t, a, 2).Close(), write(t, b, 1).Abandon(), other.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := Read(a, b)
	if err != nil || got.Rows != 6 || got.Column("level").([]float64)[5] != 5 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Read(a, c); err == nil {
		t.Error("tables of different columns are read as one")
	}
}

func TestScan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	w := write(t, path, 3)
	defer func(bytes int) { scanBytes = bytes }(scanBytes)
	scanBytes = 1 // every batch is large
	for _, state := range []string{"under way", "closed"} {
		batches := 0
		err := Scan(path, func(b *Table) error {
			if cycle := b.Column("cycle").([]int32); b.Rows != 2 || len(cycle) != 2 || int(cycle[1]) != batches {
				t.Errorf("%s, batch %d: %+v", state, batches, b)
			}
			if m := b.Metadata[3]; m["unit"] != "m" {
				t.Errorf("%s: metadata %v", state, m)
			}
			batches++
			return nil
		})
		if err != nil || batches != 3 {
			t.Errorf("%s: %d batches, %v", state, batches, err)
		}
		if state == "under way" {
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := Scan(path, func(*Table) error { return os.ErrClosed }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// A writer that died while it closed has written all batches: wherever the footer is
// cut, they can be read.
func TestCutInTheFooter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	w := write(t, path, 3)
	info, err := os.Stat(path + Part)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for size := int(info.Size()); size < len(text); size++ {
		if err := os.WriteFile(path+Part, text[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path)
		if err != nil {
			t.Fatalf("cut to %d of %d bytes: %v", size, len(text), err)
		}
		check(t, got, 3)
		if err := os.WriteFile(path, text[:size], 0o600); err != nil { // its writer had closed it
			t.Fatal(err)
		}
		if got, err := Read(path); err == nil {
			t.Fatalf("cut to %d of %d bytes after it was closed: %d rows", size, len(text), got.Rows)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSameRowsSameBytes(t *testing.T) {
	var texts [2][]byte
	for i := range texts {
		path := filepath.Join(t.TempDir(), "t.arrow")
		if err := write(t, path, 4).Close(); err != nil {
			t.Fatal(err)
		}
		texts[i], _ = os.ReadFile(path)
	}
	if !bytes.Equal(texts[0], texts[1]) {
		t.Error("the bytes differ")
	}
}

func TestMissingValuesAreNull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	w, err := Create(path, Variables(layout), nil)
	if err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	if err := w.Append(1, Block{Matrix: mat.NewDense(1, 5, []float64{nan, 1, nan, 3, 4}), Null: true}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Valid[0][0] || !math.IsNaN(got.Column("u").([][]float64)[0][1]) {
		t.Errorf("got %+v", got)
	}
}

func TestWrongValues(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "t.arrow"), []Column{{Name: "a", Type: Int32}, {Name: "b", Type: Float64}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range [][]any{{[]int32{1}}, {[]int32{1}, []int32{1}}, {[]int32{1, 2}, []float64{1}}, {[]int32{1}, nil}} {
		if err := w.Append(1, values...); err == nil {
			t.Errorf("%v is accepted", values)
		}
	}
}

func TestReadRefusals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	if _, err := Read(path); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("cycle,score\n1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil {
		t.Error("a CSV file is read")
	}
}

func BenchmarkAppend40x40(b *testing.B) {
	l := &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{40}}}}
	w, err := Create(filepath.Join(b.TempDir(), "t.arrow"), append([]Column{{Name: "member", Type: Int32}}, Variables(l)...), nil)
	if err != nil {
		b.Fatal(err)
	}
	member, e := make([]int32, 40), mat.NewDense(40, 40, nil)
	b.SetBytes(8 * 1600)
	for b.Loop() {
		if err := w.Append(40, member, Block{Matrix: e}); err != nil {
			b.Fatal(err)
		}
	}
}

// Positions of batches come back as they were, in few runs where their distances are even.
func TestBlocks(t *testing.T) {
	var b blocks
	var want []block
	at := int64(8)
	for _, size := range []int64{64, 64, 64, 128, 64, 64, 64, 64, 128, 128} {
		next := block{at, size}
		b.add(next)
		want, at = append(want, next), at+40+size
	}
	if got := slices.Collect(b.all); !slices.Equal(got, want) || b.n != len(want) || len(b.runs) != 4 {
		t.Errorf("got %v in %d runs, want %v", got, len(b.runs), want)
	}
}

// Values stored as float32 are rounded to the nearest one, as in IEEE 754; those beyond its range are null and counted,
// also when the table is continued. What is not finite stays.
func TestSingle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	single := append([]Column{{Name: "cycle", Type: Int32}}, Variables(layout)...)
	for i := range single[1:] {
		single[1+i].Single = true
	}
	w, err := Create(path, single, nil)
	if err != nil {
		t.Fatal(err)
	}
	largest, half := math.MaxFloat32, math.Ldexp(1, 103) // half of the distance between the largest two
	rows := [][]float64{
		{0.1, math.Pi, -1e-46, math.Inf(1), math.NaN()},
		{largest + half, -largest, largest + half*(1-0x1p-20), 1 + 0x1p-24, 1 + 3*0x1p-24},
	}
	for k, row := range rows {
		if err := w.Append(1, []int32{int32(k + 1)}, Block{Matrix: mat.NewDense(1, 5, row)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // closed, and continued
		if w.Beyond() != 1 {
			t.Errorf("got %d values beyond the range, want 1", w.Beyond())
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path)
		if err != nil || !slices.Equal(got.Single, []bool{false, true, true}) {
			t.Fatal(got.Single, err)
		}
		level, u := got.Column("level").([]float64), got.Column("u").([][]float64)
		if level[0] != float64(float32(0.1)) || !math.IsNaN(level[1]) || got.Valid[1][1] || !slices.Equal(u[1], []float64{-largest, largest, 1, 1 + 0x1p-22}) {
			t.Errorf("got %v, %v", level, u)
		}
		if first := u[0]; first[0] != float64(float32(math.Pi)) || first[1] != 0 || !math.Signbit(first[1]) || !math.IsInf(first[2], 1) || !math.IsNaN(first[3]) {
			t.Errorf("got %v", u)
		}
		if w, _, err = Continue(path, single, 2); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Abandon(); err != nil {
		t.Fatal(err)
	}
}
