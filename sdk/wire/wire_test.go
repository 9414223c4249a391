package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

var layouts = map[string]*sdk.Layout{
	"one variable": {Variables: []sdk.Variable{{Name: "x", Shape: []int{7}, Dims: []string{"site"}, Unit: "m"}}},
	"scalar":       {Variables: []sdk.Variable{{Name: "x", Unit: "1"}}},
	"scalars":      {Variables: []sdk.Variable{{Name: "x"}, {Name: "y"}, {Name: "z"}}},
	"mixed": {Variables: []sdk.Variable{
		{Name: "level", Unit: "m"}, {Name: "u", Shape: []int{3, 4}, Dims: []string{"row", "column"}}, {Name: "t", Shape: []int{5}},
	}},
	"wide": {Variables: []sdk.Variable{{Name: "x", Shape: []int{50_000}}}}, // several batches
}

// matrix returns rows x n different numbers.
func matrix(rows, n int) *mat.Dense {
	m := mat.NewDense(rows, n, nil)
	for i := range m.RawMatrix().Data {
		m.RawMatrix().Data[i] = float64(i) + 0.25
	}
	return m
}

// allNumbers are the ways in which values travel; those of matrix are the same in all of them.
var allNumbers = []Numbers{Double, Rounded, Single}

func encode(t testing.TB, l *sdk.Layout, numbers Numbers, m *mat.Dense) []byte {
	t.Helper()
	e, err := NewEncoder(l, numbers)
	if err != nil {
		t.Fatal(err)
	}
	segments, _, err := e.Segments(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Join(segments, nil)
}

func decode(l *sdk.Layout, numbers Numbers, stream []byte, rows, piece int) (*mat.Dense, int, error) {
	d := NewDecoder(l, numbers)
	into := mat.NewDense(rows, l.Size(), nil)
	d.Reset(into)
	for len(stream) > 0 {
		k := min(piece, len(stream))
		if _, err := d.Write(stream[:k]); err != nil {
			break
		}
		stream = stream[k:]
	}
	got, err := d.Close()
	return into, got, err
}

func TestRoundTrip(t *testing.T) {
	for name, l := range layouts {
		for _, numbers := range allNumbers {
			for _, rows := range []int{1, 2, 13} {
				for _, piece := range []int{1, 7, 4096, 1 << 30} {
					if name == "wide" && piece < 7 {
						continue // a byte at a time is slow and tests nothing new
					}
					want := matrix(rows, l.Size())
					got, n, err := decode(l, numbers, encode(t, l, numbers, want), rows, piece)
					if err != nil || n != rows || !mat.Equal(got, want) {
						t.Fatalf("%s, numbers %d, %d rows, pieces of %d: %d rows, %v", name, numbers, rows, piece, n, err)
					}
				}
			}
		}
	}
}

// What is rounded has the same values however it travels, on the way out and on the way in; it is
// the nearest float32, ties to even.
func TestRounding(t *testing.T) {
	const most = math.MaxFloat32
	inf := math.Inf(1)
	tests := []struct{ value, want float64 }{
		{1.0 / 3, float64(float32(1.0 / 3))}, {1 + 0x1p-24, 1}, {1 + 3*0x1p-24, 1 + 0x1p-22}, {1e-45, 0x1p-149}, {1e-50, 0}, {-1e-50, math.Copysign(0, -1)},
		{most, most}, {-most, -most}, {math.Nextafter(beyond, 0), most}, {beyond, inf}, {-1e39, -inf}, {1e308, inf}, {inf, inf}, {-inf, -inf}, {math.NaN(), math.NaN()},
	}
	for _, name := range []string{"one variable", "scalar", "mixed"} {
		l := layouts[name]
		for _, tt := range tests {
			m := matrix(5, l.Size())
			m.Set(3, l.Size()-1, tt.value)
			for _, numbers := range allNumbers[1:] {
				e, err := NewEncoder(l, numbers)
				if err != nil {
					t.Fatal(err)
				}
				segments, _, err := e.Segments(m, nil)
				if wants := math.IsInf(tt.want, 0) && !math.IsInf(tt.value, 0); wants != errors.Is(err, ErrBeyond) || !wants && err != nil {
					t.Errorf("%s, %v: got error %v", name, tt.value, err)
				}
				if row, column, found := Beyond(m); found != (err != nil) || found && (row != 3 || column != l.Size()-1) {
					t.Errorf("%s, %v: got %d, %d, %v", name, tt.value, row, column, found)
				}
				plain := numbers
				if numbers == Rounded { // of a sender that does not round
					plain = Double
				}
				for way, stream := range [][]byte{bytes.Join(segments, nil), encodeAny(t, l, plain, m)} {
					d, into := NewDecoder(l, numbers), mat.NewDense(5, l.Size(), nil)
					d.Watch()
					d.Reset(into)
					if _, err := d.Write(stream); err != nil {
						t.Fatal(err)
					}
					got := into.At(3, l.Size()-1)
					if math.Float64bits(got) != math.Float64bits(tt.want) && !(math.IsNaN(got) && math.IsNaN(tt.want)) {
						t.Errorf("%s, numbers %d, way %d: %v became %v, want %v", name, numbers, way, tt.value, got, tt.want)
					}
					if d.Finite() != !math.IsNaN(tt.want-tt.want) {
						t.Errorf("%s, %v: finite %v", name, tt.value, d.Finite())
					}
				}
			}
		}
	}
}

// encodeAny is encode for values beyond the range, too.
func encodeAny(t testing.TB, l *sdk.Layout, numbers Numbers, m *mat.Dense) []byte {
	e, err := NewEncoder(l, numbers)
	if err != nil {
		t.Fatal(err)
	}
	segments, _, _ := e.Segments(m, nil)
	return bytes.Join(segments, nil)
}

// A stream of float32 has half the bytes.
func TestSinglesTakeHalf(t *testing.T) {
	l := layouts["wide"]
	double, single := len(encode(t, l, Double, matrix(40, l.Size()))), len(encode(t, l, Single, matrix(40, l.Size())))
	if ratio := float64(single) / float64(double); ratio > 0.501 {
		t.Errorf("%d bytes instead of %d", single, double)
	}
}

// What we write is what Arrow's own reader reads.
func TestArrowReadsWhatWeWrite(t *testing.T) {
	for name, l := range layouts {
		for _, numbers := range allNumbers {
			arrowReads(t, name, l, numbers)
		}
	}
}

func arrowReads(t *testing.T, name string, l *sdk.Layout, numbers Numbers) {
	want := matrix(13, l.Size())
	r, err := ipc.NewReader(bytes.NewReader(encode(t, l, numbers, want)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if !r.Schema().Equal(schemaOf(l, numbers)) {
		t.Errorf("%s: schema %v", name, r.Schema())
	}
	row := 0
	for r.Next() {
		rec := r.Record()
		for i := range int(rec.NumRows()) {
			if m := rec.Column(0).(*array.Int32).Value(i); int(m) != row {
				t.Fatalf("%s: row %d is member %d", name, row, m)
			}
			if got := rowOf(rec.Columns()[1:], i); !equal(got, want.RawRowView(row)) {
				t.Fatalf("%s: row %d differs", name, row)
			}
			row++
		}
	}
	if r.Err() != nil || row != 13 {
		t.Errorf("%s: %d rows, %v", name, row, r.Err())
	}
}

func rowOf(columns []arrow.Array, i int) []float64 {
	var row []float64
	for _, c := range columns {
		from, to := int64(i), int64(i)+1
		if list, ok := c.(*array.FixedSizeList); ok {
			from, to = list.ValueOffsets(i)
			c = list.ListValues()
		}
		for ; from < to; from++ {
			switch c := c.(type) {
			case *array.Float64:
				row = append(row, c.Value(int(from)))
			case *array.Float32:
				row = append(row, float64(c.Value(int(from))))
			}
		}
	}
	return row
}

func equal(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Streams of another writer, with its own padding, batches and nullability.
func TestReadsPyarrow(t *testing.T) {
	for name, rows := range map[string]int{"one": 4, "batches": 9, "sliced": 5, "single": 5} {
		numbers := Double
		if name == "single" {
			numbers = Single
		}
		stream, err := os.ReadFile(filepath.Join("testdata", "pyarrow-"+name+".arrows"))
		if err != nil {
			t.Fatal(err)
		}
		got, n, err := decode(layouts["mixed"], numbers, stream, rows, 1000)
		if err != nil || n != rows || !mat.Equal(got, matrix(rows, 18)) {
			t.Errorf("%s: %d rows, %v", name, n, err)
		}
	}
}

// The streams of TestReadsPyarrow, and the proof that pyarrow reads ours.
func TestPyarrowReadsWhatWeWrite(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("PLUME_PYTHON does not name a python with pyarrow; make test sets it")
	}
	for _, name := range []string{"one variable", "scalars", "mixed"} {
		for _, numbers := range []Numbers{Double, Single} {
			l := layouts[name]
			cmd := exec.Command(python, filepath.Join("testdata", "read_stream.py"))
			cmd.Stdin = bytes.NewReader(encode(t, l, numbers, matrix(13, l.Size())))
			out, err := cmd.CombinedOutput()
			want := fmt.Sprintf("13 rows, sum %.2f", mat.Sum(matrix(13, l.Size())))
			if got := strings.TrimSpace(string(out)); err != nil || got != want {
				t.Errorf("%s, numbers %d: got %q, want %q: %v", name, numbers, got, want, err)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	mixed := layouts["mixed"]
	sound := encode(t, mixed, Double, matrix(5, mixed.Size()))
	other := func(change func(l *sdk.Layout)) []byte {
		l := &sdk.Layout{Variables: append([]sdk.Variable(nil), mixed.Variables...)}
		change(l)
		return encode(t, l, Double, matrix(5, l.Size()))
	}
	tests := []struct {
		name   string
		stream []byte
		want   string
	}{
		{"nothing", nil, "the stream is cut"},
		{"no end", sound[:len(sound)-8], "the stream is cut"},
		{"cut in the body", sound[:len(sound)-100], "the stream is cut"},
		{"more than one stream", append(bytes.Clone(sound), 1), "1 bytes follow the end"},
		{"no Arrow", []byte("GET / HTTP/1.1"), "where a message starts with 0xffffffff"},
		{"end at once", endOfStream, "the stream ends before its schema"},
		{"too many rows", encode(t, mixed, Double, matrix(6, mixed.Size())), "holds 6 rows where at most 5 are left"},
		{"another name", other(func(l *sdk.Layout) { l.Variables[1].Name = "v" }), "column 2: want u: fixed_size_list"},
		{"another size", other(func(l *sdk.Layout) { l.Variables[1].Shape = []int{11} }), "column 2: want u: fixed_size_list"},
		{"another precision", encode(t, mixed, Single, matrix(5, mixed.Size())), "column 1: want level: float64"},
		{"another type", other(func(l *sdk.Layout) { l.Variables[0].Shape = []int{1} }), "column 1: want level: float64"},
		{"another order", other(func(l *sdk.Layout) { l.Variables[0], l.Variables[2] = l.Variables[2], l.Variables[0] }), "column 1: want level"},
		{"too few columns", other(func(l *sdk.Layout) { l.Variables = l.Variables[:2] }), "got 3 columns, want 4"},
		{"huge metadata", []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, "metadata of 2147483647 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := decode(mixed, Double, tt.stream, 5, 64)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if sdk.KindOf(err) != sdk.KindContract {
				t.Errorf("kind %q", sdk.KindOf(err))
			}
		})
	}
}

// A decoder for float32 takes nothing else, and no buffers that are too short for it.
func TestRefusalsOfSingles(t *testing.T) {
	for name, l := range layouts {
		_, _, err := decode(l, Single, encode(t, l, Double, matrix(5, l.Size())), 5, 64)
		if err == nil || !strings.Contains(err.Error(), "float32") {
			t.Errorf("%s: float64 for float32: %v", name, err)
		}
		sound := encode(t, l, Single, matrix(5, l.Size()))
		if _, _, err := decode(l, Single, sound[:len(sound)-8], 5, 64); err == nil || !strings.Contains(err.Error(), "the stream is cut") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Fewer rows than asked for are the caller's to judge: members may have failed.
func TestFewerRows(t *testing.T) {
	l := layouts["scalars"]
	if _, rows, err := decode(l, Double, encode(t, l, Double, matrix(3, 3)), 5, 64); rows != 3 || err != nil {
		t.Errorf("got %d rows, %v", rows, err)
	}
}

// A decoder can be used again, also after an error.
func TestReset(t *testing.T) {
	for _, numbers := range allNumbers {
		reset(t, numbers)
	}
}

func reset(t *testing.T, numbers Numbers) {
	l := layouts["mixed"]
	d := NewDecoder(l, numbers)
	into := mat.NewDense(5, l.Size(), nil)
	for range 2 {
		d.Reset(into)
		if _, err := d.Write([]byte("not an Arrow stream")); err == nil {
			t.Fatal("accepted")
		}
		d.Reset(into)
		if _, err := d.Write(encode(t, l, numbers, matrix(5, l.Size()))); err != nil {
			t.Fatal(err)
		}
		if rows, err := d.Close(); rows != 5 || err != nil || !mat.Equal(into, matrix(5, l.Size())) {
			t.Fatalf("%d rows, %v", rows, err)
		}
		d.Reset(into)
		other := &sdk.Layout{Variables: append([]sdk.Variable{{Name: "depth", Unit: "m"}}, l.Variables[1:]...)}
		if _, err := d.Write(encode(t, other, numbers, matrix(5, l.Size()))); err == nil || !strings.Contains(err.Error(), "column 1: want level") { // it has seen the right schema
			t.Fatalf("got %v", err)
		}
	}
}

// A damaged stream is refused or read, in any case without a panic.
func TestMutations(t *testing.T) {
	l := layouts["mixed"]
	for _, numbers := range allNumbers {
		sound := encode(t, l, numbers, matrix(4, l.Size()))
		refused := 0
		r := rand.New(rand.NewPCG(1, 2))
		for at := range sound {
			for range 3 {
				stream := bytes.Clone(sound)
				stream[at] ^= byte(1 + r.IntN(255))
				if _, _, err := decode(l, numbers, stream, 4, 256); err != nil {
					refused++
				}
			}
		}
		if refused == 0 {
			t.Errorf("numbers %d: no mutation was refused", numbers)
		}
	}
}

func FuzzDecode(f *testing.F) {
	names := []string{"one variable", "scalar", "scalars", "mixed"}
	for i := range len(names) * len(allNumbers) {
		l, numbers := layouts[names[i%len(names)]], allNumbers[i/len(names)]
		sound := encode(f, l, numbers, matrix(4, l.Size()))
		f.Add(sound, uint8(i), uint16(3))
		f.Add(sound[:len(sound)/2], uint8(i), uint16(100))
	}
	f.Fuzz(func(t *testing.T, stream []byte, layout uint8, piece uint16) {
		l, numbers := layouts[names[int(layout)%len(names)]], allNumbers[int(layout)/len(names)%len(allNumbers)]
		_, rows, err := decode(l, numbers, stream, 8, int(piece)+1)
		if err == nil && rows > 8 {
			t.Errorf("%d rows in a matrix of 8", rows)
		}
	})
}

func BenchmarkEncode100x3(b *testing.B)   { benchmark(b, layouts["scalars"], 100, benchmarkEncode) }
func BenchmarkEncode100x1e5(b *testing.B) { benchmark(b, wide(100_000), 100, benchmarkEncode) }
func BenchmarkDecode100x3(b *testing.B)   { benchmark(b, layouts["scalars"], 100, benchmarkDecode) }
func BenchmarkDecode100x1e5(b *testing.B) { benchmark(b, wide(100_000), 100, benchmarkDecode) }

func wide(n int) *sdk.Layout {
	return &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{n}}}}
}

func benchmark(b *testing.B, l *sdk.Layout, rows int, do func(*testing.B, *sdk.Layout, Numbers, int)) {
	for i, numbers := range []string{"double", "rounded", "single"} {
		b.Run(numbers, func(b *testing.B) {
			b.SetBytes(int64(8 * rows * l.Size()))
			do(b, l, allNumbers[i], rows)
		})
	}
}

func benchmarkEncode(b *testing.B, l *sdk.Layout, numbers Numbers, rows int) {
	e, err := NewEncoder(l, numbers)
	if err != nil {
		b.Fatal(err)
	}
	m := matrix(rows, l.Size())
	var scratch []float64
	for b.Loop() {
		if _, scratch, err = e.Segments(m, scratch); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkDecode(b *testing.B, l *sdk.Layout, numbers Numbers, rows int) {
	stream := encode(b, l, numbers, matrix(rows, l.Size()))
	d, into := NewDecoder(l, numbers), mat.NewDense(rows, l.Size(), nil)
	for b.Loop() {
		d.Reset(into)
		for at := 0; at < len(stream); at += 16384 {
			if _, err := d.Write(stream[at:min(at+16384, len(stream))]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// What Go says of its slices is not said of a file.
func TestDamaged(t *testing.T) {
	for want, cause := range map[string]func(){
		"f is damaged":           func() { _ = make([]int, 3)[:len(t.Name())] },
		"f is damaged: too deep": func() { panic("too deep") },
	} {
		func() {
			defer func() {
				if got := Damaged("f", recover()).Error(); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}()
			cause()
		}()
	}
}
