package plan

import (
	"context"
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Means and sums over several cycles. The state of a member is followed by the mean, or the sum, of its
// predictions in the cycles so far of the interval under way, which begins again after each end of an
// interval. Filters move it with the rest of the state. The operator of the stream reads it. For a linear
// model this is the Kalman filter of the augmented state, exactly. See docs/decisions/0086-observations-between-analyses.md.

// over is a stream that observes a mean or a sum.
type over struct {
	cycles   int
	mean     bool
	operator sdk.ObservationOperator // of one time
	first    int                     // column of the state
	size     int                     // m
}

// held returns op, which stream i is configured with for some error variances, as it observes a mean or a sum.
func (m *maker) held(i int, op sdk.ObservationOperator, model sdk.ErrorModel) sdk.ObservationOperator {
	of := m.w.Observations[i].Over
	space := op.Space()
	if !slices.Contains(space.Offers, sdk.Predicted) {
		m.add(codeOver, []any{"observations", i, "over"}, "a %s over several cycles needs `predicted`, which %s does not offer here", of.Take, m.w.Observations[i].Plugin).
			WithHelp("remove over, or choose another operator")
		return nil
	}
	size := space.Layout.Size()
	if m.overs[i] == nil {
		first := m.plan.State.Size()
		for _, o := range m.overs {
			first += o.size
		}
		m.overs[i] = &over{of.Cycles, of.Take == "mean", op, first, size}
	}
	variance := make([]float64, size)
	for j := range variance {
		sd := model.SD[min(j, len(model.SD)-1)]
		variance[j] = sd * sd
	}
	return &reading{offering(space, sdk.Predicted, sdk.ErrorVariance), m.overs[i].first, variance}
}

// reading is an operator that observes values of the state.
type reading struct {
	space    *sdk.ObservationSpace
	first    int
	variance []float64
}

// Space implements sdk.ObservationOperator.
func (o *reading) Space() *sdk.ObservationSpace { return o.space }

// Observe implements sdk.ObservationOperator.
func (o *reading) Observe(_ context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	if r.Predicted != nil {
		rows, _ := r.Ensemble.Dims()
		r.Predicted.Copy(r.Ensemble.Slice(0, rows, o.first, o.first+len(o.variance)))
	}
	return &sdk.ObserveResult{ErrorVariance: slices.Clone(o.variance)}, nil
}

// remembering is a model whose states are followed by means and sums of what streams predict.
// Random streams: branch "over" of a request's seed, by stream.
type remembering struct {
	fixed
	clock Clock
	overs []*over
}

// Forecast implements sdk.Model.
func (m *remembering) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := m.fixed.Forecast(ctx, r)
	if err != nil {
		return nil, err
	}
	cycle := m.clock.cycle(r.To)
	if cycle < 1 || !standIn(r.Into, res.Failures) { // before the start of the truth, or nothing can be observed
		return res, nil
	}
	rows, _ := r.Ensemble.Dims()
	for k, o := range m.overs {
		predicted := mat.NewDense(rows, o.size, nil)
		call := r.Call
		call.Seed = r.Seed.Child("over", k)
		if _, err := o.operator.Observe(ctx, &sdk.ObserveRequest{Call: call, Time: r.To, Ensemble: r.Into, Predicted: predicted}); err != nil {
			return nil, err
		}
		o.add(r.Into, predicted, (cycle-1)%o.cycles)
	}
	return res, nil
}

// standIn gives members that have failed, whose states are undefined, the state of one that has not, so that
// all can be observed, and reports whether there is one.
func standIn(e *mat.Dense, failures []sdk.MemberFailure) bool {
	rows, _ := e.Dims()
	for i := range rows {
		if slices.ContainsFunc(failures, func(f sdk.MemberFailure) bool { return f.Member == i }) {
			continue
		}
		for _, f := range failures {
			e.SetRow(f.Member, e.RawRowView(i))
		}
		return true
	}
	return false
}

// add adds what is predicted in a cycle to into, which has so many cycles of the interval.
func (o *over) add(into, predicted *mat.Dense, before int) {
	rows, _ := predicted.Dims()
	old, fresh := 1.0, 1.0
	switch {
	case before == 0:
		old = 0
	case o.mean:
		old, fresh = float64(before)/float64(before+1), 1/float64(before+1)
	}
	for i := range rows {
		row := into.RawRowView(i)[o.first : o.first+o.size]
		for j, h := range predicted.RawRowView(i) {
			row[j] = old*row[j] + fresh*h
		}
	}
}

// cycle returns the cycle at a model time, of cycles with a fixed interval.
func (c Clock) cycle(time float64) int {
	return int(math.Round((time - c.Start + c.Lead) / c.Interval))
}

// remember adds the means and sums that streams observe to the states of the plan and of its truth.
func (m *maker) remember() {
	if len(m.overs) == 0 {
		return
	}
	held := &sdk.Layout{}
	var overs []*over
	for i := range m.w.Observations {
		o := m.overs[i]
		if o == nil {
			continue
		}
		overs = append(overs, o)
		for _, v := range o.operator.Space().Layout.Variables {
			v.Name = m.nameOver(i) + "." + v.Name
			if _, taken := m.plan.State.Offset(v.Name); taken {
				m.add(codeOver, []any{"observations", i, "over"}, "the state already has a variable `%s`", v.Name).WithLabel("name is taken").
					WithHelp("give the stream another label")
			}
			v.Diagnostic = false // filters move the mean of one
			held.Variables = append(held.Variables, v)
		}
	}
	before := m.plan.State
	m.plan.Held = held
	m.plan.State = &sdk.Layout{Variables: slices.Concat(before.Variables, held.Variables), Coordinates: m.places(before.Coordinates, overs)}
	m.plan.Model = &remembering{fixed{m.plan.Model, m.plan.State}, m.plan.Clock, overs}
	if m.plan.Truth.Model != nil {
		m.plan.Truth.Model = &remembering{fixed{m.plan.Truth.Model, m.plan.State}, m.plan.Clock, overs}
	}
}

// nameOver returns what the names of the means or sums of stream i begin with.
func (m *maker) nameOver(i int) string {
	if o := m.w.Observations[i]; o.Label != "" {
		return o.Label
	}
	return m.w.Observations[i].Over.Take
}

// places returns coordinates of states that are followed by means and sums, which are where they are
// observed; nil if some have none, or have others.
func (m *maker) places(state *sdk.Coordinates, overs []*over) *sdk.Coordinates {
	if state == nil {
		return nil
	}
	points := state.Points
	for _, o := range overs {
		c := o.operator.Space().Layout.Coordinates
		if c == nil || !slices.Equal(c.Dims, state.Dims) || !slices.Equal(c.Period, state.Period) {
			return nil
		}
		both := new(mat.Dense)
		both.Stack(points, c.Points)
		points = both
	}
	return &sdk.Coordinates{Dims: state.Dims, Period: state.Period, Points: points}
}

// Modelled returns the variables that the model goes on from, which are the first ones of State, and
// the number of their values. Diagnostics follow, then estimated parameters, and then means and sums that
// are observed.
func (p *Plan) Modelled() (variables []sdk.Variable, values int) {
	variables, values = p.State.Variables, p.State.Size()
	if p.Held != nil {
		variables, values = variables[:len(variables)-len(p.Held.Variables)], values-p.Held.Size()
	}
	variables, values = variables[:len(variables)-p.Parameters], values-p.Parameters
	for n := len(variables); n > 0 && variables[n-1].Diagnostic; n-- {
		variables, values = variables[:n-1], values-variables[n-1].Size()
	}
	return variables, values
}
