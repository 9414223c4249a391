package table

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

var everyType = append([]Column{
	{Name: "cycle", Type: Int32}, {Name: "count", Type: Int64, Nullable: true}, {Name: "score", Type: Float64, Nullable: true},
	{Name: "reason", Type: Text, Nullable: true}, {Name: "stage", Type: Text},
}, Variables(layout)...)

// everyPacked is everyType with all columns but the variables packed.
func everyPacked() []Column {
	columns := slices.Clone(everyType)
	for i := range columns {
		columns[i].Packed = columns[i].Type != Values
	}
	return columns
}

// writeEvery writes batches of the given numbers of rows, with nulls in most of them.
func writeEvery(t testing.TB, path string, first int, rows ...int) *Writer {
	t.Helper()
	return writeColumns(t, path, everyType, first, rows...)
}

func writeColumns(t testing.TB, path string, columns []Column, first int, rows ...int) *Writer {
	t.Helper()
	w, err := Create(path, columns, nil)
	if err != nil {
		t.Fatal(err)
	}
	k := first
	for _, n := range rows {
		cycle, count, score := make([]int32, n), Nullable[int64]{make([]int64, n), make([]bool, n)}, Nullable[float64]{make([]float64, n), make([]bool, n)}
		reason, stage, values := Nullable[string]{make([]string, n), make([]bool, n)}, make([]string, n), mat.NewDense(n, 5, nil)
		for i := range n {
			cycle[i], count.Values[i], score.Values[i], reason.Values[i], stage[i] = int32(k), int64(k)<<33, float64(k)/3, strings.Repeat("é", k%4), fmt.Sprint(k)
			count.Valid[i], score.Valid[i], reason.Valid[i] = k%3 != 0, k%11 != 7, true
			for j := range 5 {
				values.Set(i, j, float64(10*k+j))
			}
			if k%7 < 5 {
				values.Set(i, k%7, math.NaN())
			}
			k++
		}
		if err := w.Append(n, cycle, count, score, reason, stage, Block{Matrix: values, Null: true}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// Parts put together hold what one table would that was written at once.
func TestConcat(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(writeEvery(t, path("a"), 0, 3, 8, 1).Close(), writeEvery(t, path("b"), 12).Close(),
		writeEvery(t, path("c"), 12, 20).Close(), writeEvery(t, path("whole"), 0, 12, 20).Close(), Concat(path("all"), []string{path("a"), path("b"), path("c")}))
	if err != nil {
		t.Fatal(err)
	}
	got, err1 := Read(path("all"))
	want, err2 := Read(path("whole"))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || got.Rows != 32 { // as text NaN equals NaN
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	a, err1 := os.ReadFile(path("all"))
	b, err2 := os.ReadFile(path("whole"))
	if err := errors.Join(err1, err2); err != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("the bytes differ, %v", err)
	}
}

// A part that is too large for one batch becomes several, of whole batches of the part.
func TestConcatOfALargePart(t *testing.T) {
	defer func(bytes int) { batchBytes = bytes }(batchBytes)
	batchBytes = 500 // some 70 bytes a row
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(writeEvery(t, path("a"), 0, 3, 8, 1, 2).Close(), writeEvery(t, path("b"), 14, 1, 1).Close(),
		writeEvery(t, path("whole"), 0, 11, 3, 2).Close(), Concat(path("all"), []string{path("a"), path("b")}))
	if err != nil {
		t.Fatal(err)
	}
	a, err1 := os.ReadFile(path("all"))
	b, err2 := os.ReadFile(path("whole"))
	if err := errors.Join(err1, err2); err != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("the bytes differ, %v", err)
	}
}

func TestConcatRefusals(t *testing.T) {
	dir := t.TempDir()
	a, b, all := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "all")
	if err := errors.Join(writeEvery(t, a, 0, 3, 4).Close(), write(t, b, 1).Close()); err != nil {
		t.Fatal(err)
	}
	if err := Concat(all, []string{a, b}); !errors.Is(err, ErrColumns) {
		t.Errorf("other columns: %v", err)
	}
	text, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.LastIndex(text, endOfStream) + len(endOfStream) // the footer follows
	for size := 0; size < end; size += 17 {
		if err := os.WriteFile(b, text[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Concat(all, []string{a, b}); err == nil {
			t.Fatalf("cut to %d of %d bytes: no error", size, end)
		}
	}
	for i := 0; i < end; i += 17 {
		damaged := append([]byte(nil), text...)
		damaged[i] ^= 0xff
		if err := os.WriteFile(b, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = Concat(all, []string{a, b}) // it must not panic
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"+Part))
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// A table that is continued holds the batches up to the cycle, and then what is
// appended, byte for byte as if it had never stopped.
func TestContinue(t *testing.T) {
	for name, every := range map[string][]Column{"as it is": everyType, "packed": everyPacked()} {
		t.Run(name, func(t *testing.T) { continued(t, every) })
	}
}

func continued(t *testing.T, every []Column) {
	dir := t.TempDir()
	whole, stopped := filepath.Join(dir, "whole"), filepath.Join(dir, "stopped")
	more := func(w *Writer) error {
		return w.Append(1, []int32{80}, []int64{1}, []float64{2}, []string{"x"}, []string{"y"}, Block{Matrix: mat.NewDense(1, 5, nil)})
	}
	w := writeColumns(t, whole, every, 0, 30, 50)
	through := w.Sum()
	if err := errors.Join(more(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(want)); w.Sum() != sum {
		t.Errorf("got the sum %s, want %s", w.Sum(), sum)
	}
	for name, stop := range map[string]func(*Writer) error{"killed": (*Writer).Abandon, "closed": (*Writer).Close} {
		if err := stop(writeColumns(t, stopped, every, 0, 30, 50, 60, 2)); err != nil {
			t.Fatal(err)
		}
		w, last, err := Continue(stopped, every, 79)
		if err != nil || last != 79 {
			t.Fatalf("%s: %d, %v", name, last, err)
		}
		if w.Sum() != through {
			t.Errorf("%s: the sum of what was copied is not that of what was written", name)
		}
		if err := errors.Join(more(w), w.Close()); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(stopped); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the bytes differ, %v", name, err)
		}
	}
	if _, _, err := Continue(stopped, columns, 79); !errors.Is(err, ErrColumns) {
		t.Errorf("other columns: %v", err)
	}
	if _, err := os.Stat(stopped); err != nil {
		t.Errorf("the table is gone: %v", err)
	}
}

// Buffers that are written from where they are stand where the metadata says.
func TestLargeBatch(t *testing.T) {
	path, l := filepath.Join(t.TempDir(), "t"), &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{directly / 8}}, {Name: "y"}}}
	w, err := Create(path, append([]Column{{Name: "cycle", Type: Int32}}, Variables(l)...), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := mat.NewDense(3, l.Size(), nil)
	for k := range 2 {
		for i := range 3 {
			m.Set(i, l.Size()-2, float64(10*k+i))
			m.Set(i, l.Size()-1, float64(100*k+i))
		}
		if err := w.Append(3, []int32{int32(k), 0, 0}, Block{Matrix: m}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	x, y := got.Column("x").([][]float64), got.Column("y").([]float64)
	if got.Rows != 6 || x[5][directly/8-1] != 12 || y[5] != 102 || got.Column("cycle").([]int32)[3] != 1 {
		t.Errorf("%d rows, %v, %v", got.Rows, x[5][directly/8-1], y)
	}
}

// pyarrow finds every byte of a closed file and of a part valid.
func TestPythonValidates(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("PLUME_PYTHON does not name a python with pyarrow; make test sets it")
	}
	for name, every := range map[string][]Column{"as it is": everyType, "packed": everyPacked()} {
		t.Run(name, func(t *testing.T) { pythonValidates(t, python, every) })
	}
}

func pythonValidates(t *testing.T, python string, every []Column) {
	path := filepath.Join(t.TempDir(), "t")
	err := errors.Join(writeColumns(t, path, every, 0, 9, 30).Close(), writeColumns(t, path, every, 0, 9, 30).Abandon(), writeColumns(t, path+"0", every, 0).Close())
	if err != nil {
		t.Fatal(err)
	}
	const script = `
import sys, pyarrow as pa
path = sys.argv[1]
whole = pa.ipc.open_file(path).read_all()
with open(path + ".part", "rb") as file:
    file.seek(8)
    part = pa.ipc.open_stream(file).read_all()
whole.validate(full=True)
assert whole.equals(part) and part.num_rows == 39
assert pa.ipc.open_file(path + "0").read_all().schema == whole.schema
print([whole[c].null_count for c in ("cycle", "count", "score", "reason", "stage")], whole["reason"][3], whole["stage"][38])
`
	out, err := exec.Command(python, "-c", script, path).CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "[0, 13, 3, 0, 0] ééé 38" {
		t.Errorf("got %q, %v", got, err)
	}
}
