package archive

import (
	"slices"

	"github.com/plume-da/plume/sdk/wire/table"
)

// columns returns the columns trial, replicate and filter, for n rows.
func (id TrialID) columns(n int) []any {
	return []any{slices.Repeat([]int32{int32(id.Trial)}, n), slices.Repeat([]int32{int32(id.Replicate)}, n), slices.Repeat([]string{id.Filter}, n)}
}

// columnsAt returns the columns trial, replicate, filter, cycle and time, for n rows of a cycle.
func (id TrialID) columnsAt(n, cycle int, time float64) []any {
	return append(id.columns(n), slices.Repeat([]int32{int32(cycle)}, n), slices.Repeat([]float64{time}, n))
}

// inCycles returns the columns trial, filter and cycle, for rows of these cycles.
func (id TrialID) inCycles(cycles []int32) []any {
	n := len(cycles)
	return []any{slices.Repeat([]int32{int32(id.Trial)}, n), slices.Repeat([]string{id.Filter}, n), cycles}
}

// dated returns the columns of a table of cycles that has no model times unless these are
// dates; see decision 97.
func (r *Run) dated(columns []table.Column) []table.Column {
	if r.info.Dates == nil {
		return columns
	}
	after := 1 + slices.IndexFunc(columns, func(c table.Column) bool { return c.Name == cycleColumn.Name })
	return slices.Insert(slices.Clone(columns), after, timeColumn)
}

// times returns the column that dated adds.
func (r *Run) times(times []float64) []any {
	if r.info.Dates == nil {
		return nil
	}
	return []any{times}
}

// nullable returns a column with a value of each row; get also says whether it is known.
func nullable[T int32 | int64 | float64 | string, R any](rows []R, get func(*R) (v T, known bool)) table.Nullable[T] {
	c := table.Nullable[T]{Values: make([]T, len(rows)), Valid: make([]bool, len(rows))}
	for i := range rows {
		c.Values[i], c.Valid[i] = get(&rows[i])
	}
	return c
}

// known returns the value that v points to; nil: it is not known.
func known(v *float64) (float64, bool) {
	if v == nil {
		return 0, false
	}
	return *v, true
}
