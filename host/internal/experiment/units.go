package experiment

import (
	"iter"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// stateValues says which values of a state the scores of the whole state use: those that the
// model moves. If the variables have different units, a mean over them is meaningless. The
// values are then divided by the standard deviation in time of the truth of their variable,
// and variables that stay constant are excluded. Without a truth there is nothing to divide
// by.
type stateValues struct {
	n       int       // number of values that the model moves
	columns []int     // those that are not excluded
	factors []float64 // of these; nil: the values are not scaled
}

func newStateValues(p *plan.Plan, made *cycle.Scenario) stateValues {
	v := stateValues{n: modelled(p)}
	if p.OneUnit() || !made.Known() {
		return v
	}
	first := 0
	variables, _ := p.Modelled()
	for _, variable := range variables {
		end := first + variable.Size()
		spread, moves := inTime(columnBlocks(p, made, first, end))
		factor := 1 / spread
		for ; first < end; first++ {
			if moves {
				v.columns, v.factors = append(v.columns, first), append(v.factors, factor)
			}
		}
	}
	return v
}

// truthValues is how many values of a truth are looked at at a time, if those of one column are not
// more; less in tests.
var truthValues = 2 << 20

// columnBlocks yields values [first, end) of a truth at all cycles, some columns at a time.
func columnBlocks(p *plan.Plan, made *cycle.Scenario, first, end int) iter.Seq[*mat.Dense] {
	width := max(1, truthValues/(p.Clock.Cycles+1))
	return func(yield func(*mat.Dense) bool) {
		for ; first < end; first += width {
			if !yield(made.Columns(first, min(first+width, end))) {
				return
			}
		}
	}
}

// truth yields the comparable values of a truth at all cycles, some columns at a time.
func (v stateValues) truth(p *plan.Plan, made *cycle.Scenario) iter.Seq[*mat.Dense] {
	if v.factors == nil {
		return columnBlocks(p, made, 0, v.n)
	}
	return func(yield func(*mat.Dense) bool) {
		at, from := 0, 0 // in the comparable values, and in the state
		for of := range columnBlocks(p, made, 0, v.n) {
			part, width := v, of.RawMatrix().Cols
			end := at
			for end < len(v.columns) && v.columns[end] < from+width {
				end++
			}
			part.columns, part.factors = slices.Clone(v.columns[at:end]), v.factors[at:end]
			for i := range part.columns {
				part.columns[i] -= from
			}
			if at, from = end, from+width; len(part.columns) > 0 && !yield(part.of(of)) {
				return
			}
		}
	}
}

// inTime returns the root mean variance in time of values, given some columns at a time, and whether any
// of them changes.
func inTime(columns iter.Seq[*mat.Dense]) (spread float64, moves bool) {
	var variances []float64
	for m := range columns {
		variances = append(variances, ensemble.Variance(nil, m, ensemble.Mean(nil, m, nil), nil)...)
		moves = moves || varies(m)
	}
	return score.Spread(variances), moves
}

// varies reports whether the rows of m differ.
func varies(m *mat.Dense) bool {
	rows, _ := m.Dims()
	first := m.RawRowView(0)
	for i := 1; i < rows; i++ {
		if !slices.Equal(m.RawRowView(i), first) {
			return true
		}
	}
	return false
}

// size returns the number of comparable values.
func (v stateValues) size() int {
	if v.factors == nil {
		return v.n
	}
	return len(v.columns)
}

// of returns the comparable values of states, the rows of m.
func (v stateValues) of(m *mat.Dense) *mat.Dense {
	rows, _ := m.Dims()
	if v.factors == nil {
		return m.Slice(0, rows, 0, v.n).(*mat.Dense)
	}
	out := mat.NewDense(rows, len(v.columns), nil)
	for i := range rows {
		from, to := m.RawRowView(i), out.RawRowView(i)
		for k, column := range v.columns {
			to[k] = from[column] * v.factors[k]
		}
	}
	return out
}

// observedFactors returns, for every observed component, the factor that makes errors of
// variables with different units comparable: 1 over the standard deviation in time of the
// assimilated values of the variable, or NaN if that is 0 or not known; the variable is
// then excluded. All factors are 1 if there is only one unit, and nil without a record.
func observedFactors(p *plan.Plan, r *observations.Record) []float64 {
	if r == nil {
		return nil
	}
	if p.ObservedInOneUnit() {
		return slices.Repeat([]float64{1}, p.Space.Layout.Size())
	}
	values, factors := assimilated(p, r), []float64(nil)
	for _, variable := range p.Space.Layout.Variables {
		of := values[len(factors) : len(factors)+variable.Size()]
		squares, freedom, moves := 0.0, 0, false
		for _, series := range of {
			mean := score.IndependentMean(series).Value
			for _, y := range series {
				squares += (y - mean) * (y - mean)
				moves = moves || y != series[0]
			}
			freedom += max(0, len(series)-1)
		}
		factor := math.NaN()
		if moves {
			factor = math.Sqrt(float64(freedom) / squares)
		}
		factors = append(factors, slices.Repeat([]float64{factor}, variable.Size())...)
	}
	return factors
}

// observedVariances returns the variances in time of the assimilated values of every
// component; NaN for fewer than two, and nil if the truth is observed.
func observedVariances(p *plan.Plan, r *observations.Record) []float64 {
	if r == nil {
		return nil
	}
	var variances []float64
	for _, values := range assimilated(p, r) {
		m := score.IndependentMean(values)
		variances = append(variances, m.SE*m.SE*float64(m.Count))
	}
	return variances
}

// assimilated returns the assimilated values of every component, in order of time.
func assimilated(p *plan.Plan, r *observations.Record) [][]float64 {
	values := make([][]float64, p.Space.Layout.Size())
	for k := 1; k <= p.Clock.Cycles; k++ {
		for _, v := range r.In(k) {
			if v.Status == observations.Assimilated {
				values[v.Component] = append(values[v.Component], v.Y)
			}
		}
	}
	return values
}
