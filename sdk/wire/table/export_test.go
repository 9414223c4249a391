package table

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/rows"
	"gonum.org/v1/gonum/mat"
)

// Lists come back from a Parquet file of several row groups, also those of a batch that
// does not fit into the row group of the batches before it.
func TestLongParquet(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "t.arrow"), filepath.Join(dir, "t.parquet")
	w, err := Create(from, []Column{{Name: "i", Type: Int32}, {Name: "u", Type: Values, Variable: sdk.Variable{Name: "u", Shape: []int{2}}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const batch, batches = 50_000, 4 // 2^17 rows end in the third
	for k := range batches {
		i, u := make([]int32, batch), mat.NewDense(batch, 2, nil)
		for j := range i {
			i[j] = int32(batch*k + j)
			u.SetRow(j, []float64{float64(i[j]), -float64(i[j])})
		}
		if err := w.Append(batch, i, Block{Matrix: u}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, layout := range []Layout{Native, Tensor, Wide} {
		_ = os.Remove(to) // it is not overwritten
		if err := ToParquet(t.Context(), to, from, layout, nil); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(to)
		if err != nil {
			t.Fatal(err)
		}
		r, err := rows.Parquet(f)
		if err != nil {
			t.Fatal(err)
		}
		refs := []rows.Ref{{Column: 0}, {Column: 1}, {Column: 1, Item: 1}}
		if layout == Wide {
			refs = []rows.Ref{{Column: 0}, {Column: 1}, {Column: 2}}
		}
		if err := r.Select(refs); err != nil {
			t.Fatal(err)
		}
		cells, n := make([]rows.Cell, 3), 0
		for ; ; n++ {
			ok, err := r.Next(cells)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if v := float64(n); cells[0].Number != v || cells[1].Number != v || cells[2].Number != -v {
				t.Fatalf("%s, row %d: got %v", layout, n, cells)
			}
		}
		if n != batch*batches {
			t.Errorf("%s: got %d rows, want %d", layout, n, batch*batches)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
