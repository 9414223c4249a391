package experiment

import (
	"context"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/score"
	"gonum.org/v1/gonum/mat"
)

// forecaster makes the free forecasts of a trial, and verifies them when their times come. It is
// nil if there are none.
type forecaster struct {
	plan            *plan.Plan
	scenario        *cycle.Scenario
	state, observed []archive.Value // that are described
	last            []float64       // observed values of observed by the end of a cycle; NaN where there is none
	through         int             // that cycle
	pending
}

// pending is the forecasts whose times have not come yet, in the order in which they were made.
type pending []awaited

// awaited is a forecast at one lead time.
type awaited struct {
	Issued      int // cycle
	Lead, Valid float64
	LogWeights  []float64
	State       *mat.Dense // N x described values
	// Of the observations, nil if they are not predicted:
	Predicted, Simulated *mat.Dense
	ErrorVariance        []float64
	Last                 []float64 // observed by the time of the analysis; NaN where none was
}

func newForecaster(p *plan.Plan, made *cycle.Scenario, described int) *forecaster {
	if p.Ahead == nil {
		return nil
	}
	f := &forecaster{plan: p, scenario: made, state: archive.Described(p.State, described), observed: archive.Described(p.Space.Layout, described)}
	f.last = slices.Repeat([]float64{math.NaN()}, len(f.observed))
	return f
}

// waiting returns the forecasts that are not verified, for a checkpoint.
func (f *forecaster) waiting() pending {
	if f == nil {
		return nil
	}
	return f.pending
}

// step verifies forecasts of the time of s, and makes one if it is due.
func (f *forecaster) step(ctx context.Context, s *cycle.Step, t *archive.Trial) error {
	if f == nil {
		return nil
	}
	if err := t.AppendVerified(s.Cycle, s.Time, f.verify(s)); err != nil || !f.plan.Ahead.Due(f.plan, s.Cycle) {
		return err
	}
	list, err := f.issue(ctx, s)
	if err != nil {
		return err
	}
	return t.AppendAhead(s.Cycle, s.Time, list)
}

// issue makes a forecast from the analysis of s.
func (f *forecaster) issue(ctx context.Context, s *cycle.Step) (list []archive.Ahead, err error) {
	last := f.lastObserved(s.Cycle)
	err = s.Ahead(ctx, func(l *cycle.Lead) error {
		list = append(list, f.await(s, l, last)...)
		return nil
	})
	return list, err
}

// await describes a forecast of s at a lead time, and waits for what verifies it.
func (f *forecaster) await(s *cycle.Step, l *cycle.Lead, last []float64) []archive.Ahead {
	a := awaited{Issued: s.Cycle, Lead: float64(l.Number) * f.plan.Ahead.Step, Valid: l.Time, LogWeights: slices.Clone(l.LogWeights), State: columnsAt(l.Members, f.state)}
	if p := l.Predicted; p != nil {
		a.Predicted, a.Simulated, a.Last = columnsAt(p.Predicted, f.observed), columnsAt(p.Simulated, f.observed), last
		for _, v := range f.observed {
			if p.ErrorVariance != nil {
				a.ErrorVariance = append(a.ErrorVariance, p.ErrorVariance[v.Column])
			}
		}
	}
	f.pending = append(f.pending, a)
	return f.describe(&a)
}

// lastObserved returns the last observed value of every described component by cycle k, which is
// after those that it was called for before.
func (f *forecaster) lastObserved(k int) []float64 {
	for f.through < k {
		f.through++
		y := f.scenario.Observation(f.through)
		for i, v := range f.observed {
			if !math.IsNaN(y[v.Column]) {
				f.last[i] = y[v.Column]
			}
		}
	}
	return slices.Clone(f.last)
}

// describe returns what a says of every value.
func (f *forecaster) describe(a *awaited) []archive.Ahead {
	if len(f.state) == 0 {
		return nil
	}
	weights := linear(a.LogWeights)
	list := f.rows(a, archive.State, f.state, a.State, weights)
	if a.Predicted == nil {
		return list
	}
	of := f.rows(a, archive.Observed, f.observed, a.drawn(), weights)
	exact := score.MarginalsOf(a.Predicted, weights, nil)
	for i := range of {
		of[i].Mean = exact.Mean[i]
		if a.ErrorVariance != nil {
			of[i].Spread = math.Sqrt(exact.Variance[i] + a.ErrorVariance[i])
		}
	}
	return append(list, of...)
}

// drawn returns what is predicted of the observations, with errors if the operator draws them.
func (a *awaited) drawn() *mat.Dense {
	if a.Simulated != nil {
		return a.Simulated
	}
	return a.Predicted
}

// rows returns what members say of values.
func (f *forecaster) rows(a *awaited, of string, values []archive.Value, members *mat.Dense, weights []float64) []archive.Ahead {
	m, list := score.MarginalsOf(members, weights, nil), make([]archive.Ahead, len(values))
	for i, v := range values {
		q := make([]float64, len(archive.Quantiles))
		m.Quantiles(q, i, archive.Quantiles)
		list[i] = archive.Ahead{Of: of, Variable: v.Variable, Index: v.Index, Lead: a.Lead, Mean: m.Mean[i], Spread: math.Sqrt(m.Variance[i]), Quantiles: q}
		for _, t := range f.plan.Ahead.Exceed {
			if t.Variable == v.Variable {
				list[i].Exceed = append(list[i].Exceed, archive.Exceedance{Above: t.Above, Probability: share(members, i, weights, func(x float64) float64 { return step(x - t.Above) })})
			}
		}
	}
	return list
}

// share returns the mean of a function, from 0 to 1, of value j of the members.
func share(members *mat.Dense, j int, weights []float64, of func(x float64) float64) (sum float64) {
	rows, _ := members.Dims()
	for i := range rows {
		if weights == nil {
			sum += of(members.At(i, j))
		} else {
			sum += weights[i] * of(members.At(i, j))
		}
	}
	if weights == nil {
		return sum / float64(rows)
	}
	return min(sum, 1) // the weights have rounding errors
}

// step returns 1 if x is positive and 0 otherwise.
func step(x float64) float64 {
	if x > 0 {
		return 1
	}
	return 0
}

// rank returns the weight of the members whose value j is below v, and half of those that are
// equal to it.
func rank(members *mat.Dense, j int, weights []float64, v float64) float64 {
	return share(members, j, weights, func(x float64) float64 { return (step(v-x) + 1 - step(x-v)) / 2 })
}

// verify compares the forecasts of the time of s with the truth and the observations, and drops
// those whose time has come.
func (f *forecaster) verify(s *cycle.Step) (list []archive.Verified) {
	slack := 1e-6 * f.plan.Ahead.Step
	f.pending = slices.DeleteFunc(f.pending, func(a awaited) bool {
		if math.Abs(a.Valid-s.Time) <= slack {
			list = append(list, f.truth(s, &a)...)
			list = append(list, f.observations(s, &a)...)
		}
		return a.Valid <= s.Time+slack
	})
	return list
}

// truth compares a with the truth.
func (f *forecaster) truth(s *cycle.Step, a *awaited) (list []archive.Verified) {
	truth := f.scenario.At(s.Cycle)
	if truth == nil {
		return nil
	}
	before, weights := f.scenario.At(a.Issued), linear(a.LogWeights)
	for i, v := range f.state {
		members := column(a.State, i)
		m := score.MarginalsOf(members, weights, []float64{truth[v.Column]})
		_, fair := m.CRPS()
		list = append(list, archive.Verified{
			Of: archive.State, Variable: v.Variable, Index: v.Index, Issued: a.Issued, Lead: a.Lead, Value: truth[v.Column], Mean: m.Mean[0], Spread: math.Sqrt(m.Variance[0]),
			CRPSFair: &fair, Rank: rank(members, 0, weights, truth[v.Column]), Persistence: &before[v.Column],
		})
	}
	return list
}

// observations compares a with what was observed.
func (f *forecaster) observations(s *cycle.Step, a *awaited) (list []archive.Verified) {
	if a.Predicted == nil {
		return nil
	}
	p := cycle.Prediction{Predicted: a.Predicted, Simulated: a.Simulated, ErrorVariance: a.ErrorVariance, LogWeights: a.LogWeights}
	weights := linear(a.LogWeights)
	for i, v := range f.observed {
		for _, y := range f.values(s.Cycle, v.Column) {
			y.Component = int32(i)
			of := predicted(p, y)
			row := archive.Verified{Of: archive.Observed, Variable: v.Variable, Index: v.Index, Issued: a.Issued, Lead: a.Lead, Value: y.Y, Mean: of.Mean, Spread: of.Spread,
				CRPSFair: of.CRPSFair, Rank: rank(a.drawn(), i, weights, y.Y)}
			if !math.IsNaN(a.Last[i]) {
				row.Persistence = &a.Last[i]
			}
			list = append(list, row)
		}
	}
	return list
}

// values returns the values of a component in a cycle, assimilated or held out.
func (f *forecaster) values(k, component int) (list []observations.Value) {
	if r := f.scenario.Record; r != nil {
		for _, v := range r.In(k) {
			if int(v.Component) == component {
				list = append(list, v)
			}
		}
		return list
	}
	if y := f.scenario.Observation(k)[component]; !math.IsNaN(y) {
		list = append(list, observations.Value{Y: y})
	}
	return list
}

// columnsAt returns the columns of m that values name; nil if m is nil.
func columnsAt(m *mat.Dense, values []archive.Value) *mat.Dense {
	if m == nil || len(values) == 0 {
		return nil
	}
	rows, _ := m.Dims()
	out := mat.NewDense(rows, len(values), nil)
	for j, v := range values {
		for i := range rows {
			out.Set(i, j, m.At(i, v.Column))
		}
	}
	return out
}
