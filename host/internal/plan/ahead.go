package plan

import (
	"math"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/sdk"
)

// Ahead says which free forecasts are made from analyses.
type Ahead struct {
	Leads   int     // number of lead times
	Step    float64 // model time from one lead time to the next
	Calls   int     // of the model from one lead time to the next
	Every   int     // cycles from one forecast to the next
	Members int     // drawn from the analysis; 0: all of them
	// Operator predicts the observations of all streams, whatever is observed; nil if it
	// predicts nothing.
	Operator sdk.ObservationOperator
	Exceed   []Threshold
}

// Threshold is a value of a variable, of the state or of the observations, that forecasts may
// exceed.
type Threshold struct {
	Variable string
	Above    float64
}

// Due reports whether there is a forecast from the analysis of a cycle. p is the plan of a.
func (a *Ahead) Due(p *Plan, cycle int) bool {
	last := p.LastObserved()
	after := cycle - p.Clock.BurnIn
	return cycle == last || cycle < last && after > 0 && (after-1)%a.Every == 0
}

// Issues returns how many forecasts there are. p is the plan of a.
func (a *Ahead) Issues(p *Plan) (n int) {
	for k := 1; k <= p.Clock.Cycles; k++ {
		if a.Due(p, k) {
			n++
		}
	}
	return n
}

// ahead makes the plan of the forecasts.
func (m *maker) ahead() {
	f := m.w.Forecast
	if f == nil {
		return
	}
	a := &Ahead{Step: f.Step, Calls: 1, Every: f.Every, Members: f.Members}
	if interval := m.w.Time.Interval; interval > 0 {
		if a.Step == 0 {
			a.Step = interval
		}
		a.Calls = int(math.Round(a.Step / interval))
	}
	a.Leads = int(math.Floor(f.Horizon/a.Step + 1e-9))
	if step := m.w.Time.Step; step > 0 {
		if nearest, whole := sdk.WholeSteps(a.Step, step); !whole {
			at := []any{"forecast", "horizon"}
			if f.Step > 0 {
				at[1] = "step"
			}
			m.add(codeStep, at, "the time from one lead to the next must be a whole number of time steps, but %g / %g = %.6g", a.Step, step, a.Step/step).
				WithHelp("write step = %.6g", float64(nearest)*step)
		}
	}
	var names []string
	for _, v := range append(slices.Clone(m.plan.State.Variables), m.plan.Space.Layout.Variables...) {
		if !slices.Contains(names, v.Name) {
			names = append(names, v.Name)
		}
	}
	for i, e := range f.Exceed {
		if !slices.Contains(names, e.Variable) {
			m.add(codeVariable, []any{"forecast", "exceed", i, "variable"}, "there is no variable `%s`", e.Variable).WithLabel("not a variable").
				WithHelp("the state and the observations have %s", strings.Join(names, ", "))
		}
		for _, above := range e.Above {
			a.Exceed = append(a.Exceed, Threshold{e.Variable, above})
		}
	}
	streams := slices.Clone(m.plan.Streams)
	for i := range streams {
		op := streams[i].Operator
		streams[i].In = func(int) sdk.ObservationOperator { return op }
	}
	if op := observations.Join(streams); slices.Contains(op.Space().Offers, sdk.Predicted) {
		a.Operator = op
	}
	m.plan.Ahead = a
}
