package table

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// anyType is a table with a column of each type, with nulls, and if packed is true stored as tables with
// packed columns are.
func anyType(packed bool) []Column {
	vector := sdk.Variable{Name: "u", Shape: []int{3}}
	return []Column{{Name: "cycle", Type: Int32, Packed: packed}, {Name: "at", Type: Int64, Nullable: true}, {Name: "x", Type: Float64, Nullable: true}, {Name: "name", Type: Text},
		{Name: "u", Type: Values, Variable: vector, Nullable: true}, {Name: "single", Type: Values, Variable: sdk.Variable{Name: "single"}, Single: true, Nullable: true}}
}

// smallBatches writes n batches of different numbers of rows, nulls and lengths of texts into a part.
func smallBatches(t *testing.T, path string, n int, packed bool) {
	t.Helper()
	w, err := Create(path, anyType(packed), nil)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"", "forecast", "analysis, which is longer", "ä"}
	for k := range n {
		rows := 1 + k%3
		if packed && k%10 == 0 {
			rows = 40 // long enough to be packed
		}
		cycle, name := make([]int32, rows), make([]string, rows)
		at := Nullable[int64]{Values: make([]int64, rows), Valid: make([]bool, rows)}
		x := Nullable[float64]{Values: make([]float64, rows), Valid: make([]bool, rows)}
		values := mat.NewDense(rows, 4, nil)
		for i := range rows {
			cycle[i], name[i] = int32(k), names[(k/2+i)%len(names)]
			at.Values[i], at.Valid[i] = int64(k)<<40, (k+i)%5 > 0
			x.Values[i], x.Valid[i] = float64(k)+0.5, (k*i)%4 != 1
			values.SetRow(i, []float64{float64(k), math.NaN(), float64(i), float64(k) / 4})
			if k%7 == 3 {
				values.Set(i, 3, math.NaN())
			}
		}
		if err := w.Append(rows, cycle, at, x, name, Block{values, k%2 == 0}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Abandon(); err != nil {
		t.Fatal(err)
	}
}

// together returns the rows that Scan yields as one table, and in how many pieces they come.
func together(t *testing.T, path string, columns ...string) (all *Table, pieces int) {
	t.Helper()
	err := Scan(path, func(b *Table) error {
		if pieces++; all == nil {
			all = b
			return nil
		}
		all.Rows += b.Rows
		for i := range b.Columns {
			all.Columns[i] = reflect.AppendSlice(reflect.ValueOf(all.Columns[i]), reflect.ValueOf(b.Columns[i])).Interface()
			all.Valid[i] = append(all.Valid[i], b.Valid[i]...)
		}
		return nil
	}, columns...)
	if err != nil {
		t.Fatal(err)
	}
	return all, pieces
}

// same reports whether two columns are equal, where NaN is equal to NaN.
func same(a, b any) bool {
	switch a := a.(type) {
	case []float64:
		b := b.([]float64)
		for i, v := range a {
			if len(a) != len(b) || math.Float64bits(v) != math.Float64bits(b[i]) && !(math.IsNaN(v) && math.IsNaN(b[i])) {
				return false
			}
		}
		return len(a) == len(b)
	case [][]float64:
		b := b.([][]float64)
		for i, v := range a {
			if len(a) != len(b) || !same(v, b[i]) {
				return false
			}
		}
		return len(a) == len(b)
	}
	return reflect.DeepEqual(a, b)
}

// Many small batches are read together, and are what Arrow's reader reads, wherever the last one was cut.
func TestSmallBatches(t *testing.T) {
	for _, packed := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "t.arrow")
		smallBatches(t, path, 200, packed)
		want, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, bytes := range []int{1, 500, 1 << 20} {
			scanBytes = bytes
			got, pieces := together(t, path)
			if got.Rows != want.Rows || bytes == 1<<20 && pieces != 1 || bytes == 500 && (pieces < 5 || pieces > 100) {
				t.Errorf("packed %v, %d bytes: %d rows in %d pieces, want %d", packed, bytes, got.Rows, pieces, want.Rows)
			}
			for i, name := range want.Names {
				if !same(got.Columns[i], want.Columns[i]) || !reflect.DeepEqual(got.Valid[i], want.Valid[i]) {
					t.Errorf("packed %v, %d bytes, column %s: got %v, want %v", packed, bytes, name, got.Columns[i], want.Columns[i])
				}
			}
			some, _ := together(t, path, "name", "x")
			if len(some.Names) != 2 || !same(some.Column("name"), want.Column("name")) || !same(some.Column("x"), want.Column("x")) {
				t.Errorf("packed %v: some columns: %v", packed, some.Names)
			}
		}
		text, err := os.ReadFile(path + Part)
		if err != nil {
			t.Fatal(err)
		}
		for cut := 1; cut < 2000; cut += 37 {
			if err := os.WriteFile(path+Part, text[:len(text)-cut], 0o600); err != nil {
				t.Fatal(err)
			}
			whole, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := together(t, path); got.Rows != whole.Rows || got.Rows == want.Rows {
				t.Errorf("packed %v, without the last %d bytes: %d rows, want %d", packed, cut, got.Rows, whole.Rows)
			}
		}
	}
}

// Small batches take little in addition to their bytes: reading them allocates less than once for each.
func TestSmallBatchesAllocate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	smallBatches(t, path, 3000, false)
	few := testing.AllocsPerRun(3, func() {
		if err := Scan(path, func(*Table) error { return nil }, "cycle", "x"); err != nil {
			t.Fatal(err)
		}
	})
	if few > 3000 {
		t.Errorf("%v allocations for 3000 batches", few)
	}
}

// A batch whose metadata was changed is damaged, also in the middle of others.
func TestDamagedSmallBatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.arrow")
	smallBatches(t, path, 50, false)
	text, err := os.ReadFile(path + Part)
	if err != nil {
		t.Fatal(err)
	}
	e, err := encodingFor(anyType(false), nil)
	if err != nil {
		t.Fatal(err)
	}
	for at := len(e.start) + metadataPrefix; at < len(e.start)+len(e.batch); at += 5 {
		bad := append([]byte(nil), text...)
		bad[at] ^= 0x40
		if err := os.WriteFile(path+Part, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		var got *Table
		if err := Scan(path, func(b *Table) error { got = b; return nil }); err != nil || got == nil {
			continue
		}
		want, err := Read(path) // a number of nulls may be any
		if err != nil || got.Rows != want.Rows {
			t.Fatalf("byte %d: %d rows are read, Arrow's reader says %v", at, got.Rows, err)
		}
		for i, name := range want.Names {
			if !same(got.Columns[i], want.Columns[i]) {
				t.Errorf("byte %d: column %s: got %v, want %v", at, name, got.Columns[i], want.Columns[i])
			}
		}
	}
}
