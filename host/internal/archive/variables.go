package archive

import (
	"fmt"
	"slices"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
)

// Quantiles are the levels of the quantiles in variables.arrow.
var Quantiles = []float64{0.05, 0.25, 0.5, 0.75, 0.95}

// Value is one value of a state that variables.arrow describes.
type Value struct {
	Variable string
	Index    int // in the variable, row-major
	Column   int // in the state
}

// Described returns the values of l that are described: all values of each variable or,
// if there are more than limit, limit values at even distances from the first on.
func Described(l *sdk.Layout, limit int) []Value {
	var list []Value
	from := 0
	for _, v := range l.Variables {
		size := v.Size()
		kept := min(size, limit)
		for k := range kept {
			i := k * size / kept
			list = append(list, Value{v.Name, i, from + i})
		}
		from += size
	}
	return list
}

// Description is the marginal distributions of the described values at one stage, in
// the order of [Described].
type Description struct {
	Stage  string
	Lag    int       // as in [CycleRow]
	Truth  []float64 // nil if it is not known
	Mean   []float64
	Spread []float64
	// Quantiles holds len(Quantiles) numbers per value.
	Quantiles []float64
}

// descriptions writes variables.arrow of one trial; the columns are reused.
type descriptions struct {
	table  *table.Writer
	values []Value

	trial, replicate, cycle, index []int32
	filter, stage, variable        []string
	time, mean, spread             []float64
	truth                          table.Nullable[float64]
	quantiles                      [][]float64 // level by level
}

// fixed fills the columns that are the same in every cycle, for rows rows.
func (d *descriptions) fixed(t *Trial, rows int) {
	d.trial, d.replicate, d.filter = slices.Repeat([]int32{int32(t.id.Trial)}, rows), slices.Repeat([]int32{int32(t.id.Replicate)}, rows), slices.Repeat([]string{t.id.Filter}, rows)
	d.index, d.variable = make([]int32, rows), make([]string, rows)
	for i := range rows {
		v := d.values[i%len(d.values)]
		d.index[i], d.variable[i] = int32(v.Index), v.Variable
	}
	d.cycle, d.stage, d.time = make([]int32, rows), make([]string, rows), make([]float64, rows)
	d.truth = table.Nullable[float64]{Values: make([]float64, rows), Valid: make([]bool, rows)}
	d.mean, d.spread = make([]float64, rows), make([]float64, rows)
	d.quantiles = make([][]float64, len(Quantiles))
	for l := range d.quantiles {
		d.quantiles[l] = make([]float64, rows)
	}
}

// appendDescriptions writes the descriptions of one cycle as one batch.
func (t *Trial) appendDescriptions(s *cycle.Step, stages []Description) error {
	d := t.descriptions
	rows, k := len(stages)*len(d.values), len(d.values)
	if rows == 0 {
		return nil
	}
	if len(d.trial) != rows {
		d.fixed(t, rows)
	}
	for i := range rows {
		from, v := stages[i/k], i%k
		d.cycle[i], d.time[i], d.stage[i] = int32(s.Cycle-from.Lag), s.TimeOf(s.Cycle-from.Lag), from.Stage
		if d.truth.Valid[i] = from.Truth != nil; from.Truth != nil {
			d.truth.Values[i] = from.Truth[v]
		}
		d.mean[i], d.spread[i] = from.Mean[v], from.Spread[v]
		for l := range Quantiles {
			d.quantiles[l][i] = from.Quantiles[v*len(Quantiles)+l]
		}
	}
	columns := []any{d.trial, d.replicate, d.filter, d.cycle, d.time, d.stage, d.variable, d.index, d.truth, d.mean, d.spread}
	for _, q := range d.quantiles {
		columns = append(columns, q)
	}
	return d.table.Append(rows, columns...)
}

// quantileColumns are the columns q05 to q95.
func quantileColumns() []table.Column {
	var list []table.Column
	for _, p := range Quantiles {
		about := fmt.Sprintf("quantile %g of the members; the midpoint if any point between two members would do", p)
		list = append(list, table.Column{Name: fmt.Sprintf("q%02.0f", 100*p), Type: table.Float64, About: about})
	}
	return list
}
