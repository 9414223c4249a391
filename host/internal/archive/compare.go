package archive

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/plume-da/plume/sdk/wire/table"
)

// where describes the first difference of two tables.
func where(pathA, pathB string) string {
	a, errA := table.Read(pathA)
	b, errB := table.Read(pathB)
	switch {
	case errA != nil || errB != nil:
		return "" // the bytes differ; nothing more is known
	case !reflect.DeepEqual(a.Names, b.Names):
		return fmt.Sprintf(": columns %v and %v", a.Names, b.Names)
	case a.Rows != b.Rows:
		return fmt.Sprintf(": %d and %d rows", a.Rows, b.Rows)
	case !slices.Equal(a.Single, b.Single):
		return ": the values of members are float32 in one and float64 in the other, see output.precision; scores are those of the values before"
	}
	for row := range a.Rows {
		for i, name := range a.Names {
			x, y := cell(a, i, row), cell(b, i, row)
			if !same(x, y) {
				return fmt.Sprintf(": row %d, column %s: %v and %v", row, name, x, y)
			}
		}
	}
	return ": the same values, stored differently"
}

func cell(t *table.Table, column, row int) any {
	return reflect.ValueOf(t.Columns[column]).Index(row).Interface()
}

// same compares two cells; NaN equals NaN.
func same(x, y any) bool {
	switch x := x.(type) {
	case float64:
		y, ok := y.(float64)
		return ok && math.Float64bits(x) == math.Float64bits(y)
	case []float64:
		y, ok := y.([]float64)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if math.Float64bits(x[i]) != math.Float64bits(y[i]) {
				return false
			}
		}
		return true
	}
	return x == y
}
