package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// members are the columns of a table of members with n values of state.
func members(n int) []Column {
	return append([]Column{{Name: "cycle", Type: Int32, Packed: true}, {Name: "stage", Type: Text, Packed: true}, {Name: "weight", Type: Float64, Packed: true}},
		Variables(&sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{n}}}})...)
}

// writeMembers writes batches of rows rows and returns the states.
func writeMembers(t testing.TB, path string, batches, rows, n int) []float64 {
	t.Helper()
	w, err := Create(path, members(n), nil)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var states []float64
	for k := range batches {
		x := mat.NewDense(rows, n, nil)
		cycle, stage, weight := make([]int32, rows), make([]string, rows), make([]float64, rows)
		for i := range rows {
			cycle[i], stage[i], weight[i] = int32(k), "analysis", -3.5
			for j := range n {
				x.Set(i, j, random.NormFloat64())
			}
		}
		states = append(states, x.RawMatrix().Data...)
		if err := w.Append(rows, cycle, stage, weight, Block{Matrix: x}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return states
}

// Columns that are packed take next to nothing beside the states, which are stored byte
// for byte.
func TestPacked(t *testing.T) {
	const batches, rows, n = 3, 1000, 2
	path := filepath.Join(t.TempDir(), "t")
	states := writeMembers(t, path, batches, rows, n)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Left are the offsets of the texts, four bytes a row.
	if most := len(states)*8 + batches*(4*(rows+1)+1500) + 2000; len(text) > most {
		t.Errorf("%d bytes, want at most %d", len(text), most)
	}
	for k := range batches {
		raw, _ := binary.Append(nil, binary.LittleEndian, states[k*rows*n:(k+1)*rows*n])
		if at := bytes.Index(text, raw); at < 0 || at%8 != 0 {
			t.Errorf("batch %d: its states are at %d", k, at)
		}
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	x, cycle, stage := got.Column("x").([][]float64), got.Column("cycle").([]int32), got.Column("stage").([]string)
	for i := range got.Rows {
		if x[i][0] != states[i*n] || x[i][1] != states[i*n+1] || cycle[i] != int32(i/rows) || stage[i] != "analysis" {
			t.Fatalf("row %d: %d, %s, %v", i, cycle[i], stage[i], x[i])
		}
	}
	if got.Rows != batches*rows {
		t.Errorf("%d rows", got.Rows)
	}
}

// Frames are those of LZ4, whatever their size and however well they pack.
func TestFrames(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{0, 1, 63, 64, 1000, blockSize - 1, blockSize, blockSize + 1, 3*blockSize + 17} {
		noise := make([]byte, size)
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		mixed := bytes.Clone(noise)
		clear(mixed[:size/2])
		for name, content := range map[string][]byte{"zeros": make([]byte, size), "noise": noise, "mixed": mixed} {
			frame := appendFrame(nil, content)
			want, err := io.ReadAll(lz4.NewReader(bytes.NewReader(frame)))
			if err != nil || !bytes.Equal(want, content) {
				t.Errorf("%s, %d bytes: LZ4 reads %d bytes, %v", name, size, len(want), err)
			}
			if got, ok := appendContent([]byte("before"), frame, size); !ok || !bytes.Equal(got[6:], content) {
				t.Errorf("%s, %d bytes: %d, %v", name, size, len(got), ok)
			}
			for _, wrong := range []int{-1, -2, size - 1, size + 1, 1 << 40} {
				if _, ok := appendContent(nil, frame, wrong); ok && wrong != size {
					t.Errorf("%s, %d bytes are taken for %d", name, size, wrong)
				}
			}
			for cut := 0; cut < len(frame); cut += 1 + len(frame)/9 {
				if _, ok := appendContent(nil, frame[:cut], size); ok {
					t.Errorf("%s, %d bytes: a frame cut to %d bytes is taken", name, size, cut)
				}
			}
		}
	}
}

// What a buffer says of its own size is not believed.
func TestPackedSizes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t")
	writeMembers(t, path, 1, 50, 2)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(text, frameStart) - sizePrefix // 50 cycles
	if at < 0 || binary.LittleEndian.Uint64(text[at:]) != 200 {
		t.Fatal("no packed cycles")
	}
	for _, size := range []int64{-2, 0, 199, 201, 1 << 20, 1 << 33, 1 << 62} {
		binary.LittleEndian.PutUint64(text[at:], uint64(size))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := Read(path)
		w, _, err2 := Continue(path, members(2), 9)
		runtime.ReadMemStats(&after)
		if err == nil || !errors.Is(err2, errDamaged) {
			t.Errorf("%d for 200: read %+v, %v; continued %+v, %v", size, got, err, w, err2)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<23 {
			t.Errorf("%d for 200: %d bytes of memory", size, used)
		}
	}
}

// pyarrow maps the states into memory without a copy.
func TestPythonMaps(t *testing.T) {
	python := os.Getenv("PLUME_PYTHON")
	if python == "" {
		t.Skip("PLUME_PYTHON does not name a python with pyarrow; make test sets it")
	}
	const batches, rows, n = 10, 80, 40
	path := filepath.Join(t.TempDir(), "t")
	states := writeMembers(t, path, batches, rows, n)
	const script = `
import sys, pyarrow as pa
before = pa.total_allocated_bytes()
table = pa.ipc.open_file(pa.memory_map(sys.argv[1])).read_all()
held = pa.total_allocated_bytes() - before
assert held < 50 * table.num_rows, held
print(table.num_rows, table["x"].nbytes, repr(table["x"][799].as_py()[39]))
`
	out, err := exec.Command(python, "-c", script, path).CombinedOutput()
	if got, want := strings.TrimSpace(string(out)), fmt.Sprintf("800 %d %v", 8*len(states), states[len(states)-1]); err != nil || got != want {
		t.Errorf("got %q, want %q, %v", got, want, err)
	}
}

// FuzzTable holds reading and going on to what they promise of any file: rows or an
// error, in bounded memory, and no panic.
func FuzzTable(f *testing.F) {
	dir := f.TempDir()
	for i, write := range []func(path string) error{
		func(path string) error { return writeColumns(f, path, everyPacked(), 0, 30, 50).Close() },
		func(path string) error { return writeColumns(f, path, everyPacked(), 0, 30, 50).Abandon() },
		func(path string) error { return writeEvery(f, path, 0, 3, 5).Close() },
	} {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := write(path); err != nil {
			f.Fatal(err)
		}
		written, err := openTable(path)
		if err != nil {
			f.Fatal(err)
		}
		text, err := io.ReadAll(written)
		if err := errors.Join(err, written.Close()); err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "t")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = Read(path)
		w, _, err := Continue(path, everyPacked(), 60)
		if err == nil {
			err = w.Abandon()
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20+1000*uint64(len(text)) {
			t.Fatalf("%d bytes of file: allocated %d bytes, %v", len(text), used, err)
		}
	})
}
