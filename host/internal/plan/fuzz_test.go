package plan

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/plume-da/plume/host/internal/tabular"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk/wire/table"
)

// FuzzSamples holds the reader of members to what it promises of any file: finite
// members, one a row, or faults of one line, in memory that follows from its size.
func FuzzSamples(f *testing.F) {
	dir := f.TempDir()
	for _, text := range []string{"x,y[0],y[1]\n1,2,3\n4,5,6\n", "y[1], y[0] ,x,note\n 1e3 ,-2,+3,a\n", "\ufeffx,y[0],y[1]\r\n1,2,NaN\r\n", "x,x,y[0],y[1]\n1,2,3,4\n", "x,y[0],y[1]\n1,2\n", "\"x\n\",y[0]\n", "x,y[0],y[1]\n", ""} {
		f.Add([]byte(text), false)
	}
	path := filepath.Join(dir, "seed.arrow")
	w, err := table.Create(path, []table.Column{{Name: "x", Type: table.Float64}, {Name: "y[0]", Type: table.Int32, Nullable: true}, {Name: "y[1]", Type: table.Float64}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	if err := w.Append(2, []float64{1, 2}, table.Nullable[int32]{Values: []int32{3, 4}, Valid: []bool{true, true}}, []float64{5, 6}); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed, true)
	wanted := []string{"x", "y[0]", "y[1]"}
	f.Fuzz(func(t *testing.T, text []byte, isArrow bool) {
		path := filepath.Join(dir, "members.csv")
		if isArrow {
			path = filepath.Join(dir, "members.arrow")
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		e, left, faults := matrixOf(path, tabular.Dialect{Missing: []string{"", "-1"}}, workflow.Choice{Ignore: []string{"note"}}, wanted)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 4<<30 || !isArrow && used > uint64(1<<20+1000*len(text)) {
			t.Fatalf("%d bytes of file: allocated %d bytes", len(text), used)
		}
		for _, err := range faults {
			if err.Error() == "" || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%q", err)
			}
		}
		if (e == nil) != (len(faults) > 0) {
			t.Fatalf("%v, %v", e, faults)
		}
		if e == nil {
			return
		}
		rows, columns := e.Dims()
		if columns != len(wanted) || rows < 1 || !isArrow && rows+left > strings.Count(string(text), "\n")+strings.Count(string(text), "\r") {
			t.Fatalf("%d x %d members of %q", rows, columns, text)
		}
		for i := range rows {
			for j := range columns {
				if v := e.At(i, j); math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("row %d, column %d: %g", i, j, v)
				}
			}
		}
	})
}
