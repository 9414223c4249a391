package table

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Any part of the variables is read as it was written, across batches of different lengths and
// columns that are no variables; what is not there, and files of other columns or cut ones, are errors.
func TestRows(t *testing.T) {
	columns := []Column{{Name: "name", Type: Text}, {Name: "time", Type: Float64}, {Name: "u", Type: Values, Nullable: true, Variable: sdk.Variable{Name: "u", Shape: []int{3}}},
		{Name: "s", Type: Values, Nullable: true, Variable: sdk.Variable{Name: "s"}}, {Name: "v", Type: Values, Nullable: true, Variable: sdk.Variable{Name: "v", Shape: []int{2}}}}
	path := filepath.Join(t.TempDir(), "t.arrow")
	w, err := Create(path, columns, nil)
	if err != nil {
		t.Fatal(err)
	}
	const n = 6
	all := mat.NewDense(9, n, nil)
	for i := range 9 {
		for j := range n {
			if all.Set(i, j, float64(10*i+j)); (i+j)%4 == 0 {
				all.Set(i, j, math.NaN())
			}
		}
	}
	from := 0
	for _, rows := range []int{2, 4, 3} {
		block := mat.DenseCopyOf(all.Slice(from, from+rows, 0, n))
		if err := w.Append(rows, make([]string, rows), make([]float64, rows), Block{Matrix: block, Null: true}); err != nil {
			t.Fatal(err)
		}
		from += rows
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := OpenRows(path, columns)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Len() != 9 {
		t.Errorf("got %d rows", r.Len())
	}
	for from := range 9 {
		for rows := 1; from+rows <= 9; rows++ {
			for first := range n {
				for width := 1; first+width <= n; width++ {
					got := mat.NewDense(rows, width, nil)
					if err := r.Read(got, from, first); err != nil {
						t.Fatal(err)
					}
					for i := range rows {
						for j := range width {
							if a, b := got.At(i, j), all.At(from+i, first+j); math.Float64bits(a) != math.Float64bits(b) {
								t.Fatalf("row %d, value %d: got %v, want %v", from+i, first+j, a, b)
							}
						}
					}
				}
			}
		}
	}
	if err := r.Read(mat.NewDense(2, n, nil), 8, 0); err == nil {
		t.Error("there is a row after the last one")
	}
	if _, err := OpenRows(path, columns[1:]); !errors.Is(err, ErrColumns) {
		t.Errorf("other columns: got %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []int{0, 8, len(text) / 3} {
		if err := os.WriteFile(path, text[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenRows(path, columns); err == nil {
			t.Errorf("a file of %d bytes: got no error", length)
		}
	}
}
