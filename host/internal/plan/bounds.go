package plan

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// A filter moves members along straight lines and knows no bounds. It therefore gets the
// values of a bounded variable in a coordinate without bounds: the logarithm of the distance
// from a single bound, or the log-odds between two. What it returns is between the bounds,
// whatever it does (Bertino et al. 2003,
// doi:10.1111/j.1751-5823.2003.tb00194.x).

// interval is an open interval of numbers; an end may be infinite, but not both.
type interval struct{ lower, upper float64 }

// everywhere is the interval of what has no bounds.
var everywhere = interval{math.Inf(-1), math.Inf(1)}

// contains reports whether x lies between the bounds.
func (b interval) contains(x float64) bool { return b.lower < x && x < b.upper }

// to returns the coordinate of a value between the bounds.
func (b interval) to(x float64) float64 {
	switch {
	case math.IsInf(b.upper, 1):
		return math.Log(x - b.lower)
	case math.IsInf(b.lower, -1):
		return -math.Log(b.upper - x)
	}
	return math.Log(x-b.lower) - math.Log(b.upper-x)
}

// from returns the value of a coordinate. Where it would be rounded to a bound, it is the
// next number inside.
func (b interval) from(y float64) float64 {
	var x float64
	switch {
	case math.IsInf(b.upper, 1):
		x = b.lower + math.Exp(y)
	case math.IsInf(b.lower, -1):
		x = b.upper - math.Exp(-y)
	default:
		x = b.lower + (b.upper-b.lower)/(1+math.Exp(-y))
	}
	return min(max(x, math.Nextafter(b.lower, math.Inf(1))), math.Nextafter(b.upper, math.Inf(-1)))
}

// slope returns the derivative of the value by the coordinate.
func (b interval) slope(x float64) float64 {
	switch {
	case math.IsInf(b.upper, 1):
		return x - b.lower
	case math.IsInf(b.lower, -1):
		return b.upper - x
	}
	return (x - b.lower) * (b.upper - x) / (b.upper - b.lower)
}

// wants says which values are allowed.
func (b interval) wants() string {
	switch {
	case math.IsInf(b.upper, 1):
		return fmt.Sprintf("a number above %g", b.lower)
	case math.IsInf(b.lower, -1):
		return fmt.Sprintf("a number below %g", b.upper)
	}
	return fmt.Sprintf("a number between %g and %g", b.lower, b.upper)
}

// bounded is a variable of the state with bounds.
type bounded struct {
	name        string
	first, size int // columns of the state
	interval
}

// stepped returns value j of a state after a step. That of a bounded variable is taken in its
// coordinate, where it has the same length near the value; a value outside of the bounds,
// where no coordinate is, is not kept from leaving them further.
func stepped(variables []bounded, j int, x, step float64) float64 {
	for _, b := range variables {
		if b.first <= j && j < b.first+b.size && b.contains(x) {
			return b.from(b.to(x) + step/b.slope(x))
		}
	}
	return x + step
}

// bounds returns the variables of the state that have bounds: those that the workflow gives
// them to, and estimated parameters that have limits or begin with a lognormal
// distribution.
func (m *maker) bounds(params []*sdk.Param) []bounded {
	var found []bounded
	var names []string
	given, first := m.w.Model.Bounds, 0
	m.noDiagnostics(slices.Sorted(maps.Keys(given)), m.observed, []any{"model", "bounds"})
	for _, v := range m.plan.State.Variables {
		b := everywhere
		if i := slices.IndexFunc(params, func(p *sdk.Param) bool { return p.Name == v.Name }); i >= 0 {
			b = limits(params[i], m.w.Model.Estimate[v.Name].Init)
		}
		if of, ok := given[v.Name]; ok {
			b = m.stated(v.Name, of, b)
		}
		if b != everywhere {
			found = append(found, bounded{v.Name, first, v.Size(), b})
		}
		first += v.Size()
		names = append(names, v.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(names, name) {
			m.found.Add(codeBounds, m.w.KeyAt("model", "bounds", name), "the state has no variable `%s`", name).
				WithLabel("unknown variable").WithHelp("it has %s", list(names))
		}
	}
	return found
}

// parameters returns those of variables that are parameters, which follow the n values of the
// model in a state.
func parameters(variables []bounded, n int) []bounded {
	i := slices.IndexFunc(variables, func(b bounded) bool { return b.first >= n })
	if i < 0 {
		return nil
	}
	return variables[i:]
}

// checkTruth reports true parameters that are outside their bounds.
func (m *maker) checkTruth() {
	dists := m.plan.Truth.Init.Dists
	for _, b := range parameters(m.bounded, m.observed.Size()) {
		i := len(m.observed.Variables) + b.first - m.observed.Size() // of its variable; a parameter is one value
		if i >= len(dists) {
			return
		}
		if v := dists[i].Middle[0]; !math.IsNaN(v) && !b.contains(v) {
			m.add(codeBounds, []any{"model", "bounds", b.name}, "the true value of `%s` is %g, which is not %s", b.name, v, b.wants()).
				WithLabel("the truth is outside").WithHelp("no estimate can reach it; choose other bounds, or another truth")
		}
	}
}

// limits returns the limits of a parameter that begins with a distribution; nil: its values
// are read from a file.
func limits(p *sdk.Param, init *workflow.Start) interval {
	b := everywhere
	for _, lower := range []*float64{p.Min, p.Above} {
		if lower != nil {
			b.lower = max(b.lower, *lower)
		}
	}
	for _, upper := range []*float64{p.Max, p.Below} {
		if upper != nil {
			b.upper = min(b.upper, *upper)
		}
	}
	if init != nil && init.Dist == "lognormal" {
		b.lower = max(b.lower, 0)
	}
	return b
}

// stated returns the bounds that the workflow gives to a variable, which replace the limits
// of a parameter.
func (m *maker) stated(name string, of workflow.Bounds, b interval) interval {
	at := []any{"model", "bounds", name}
	if of.Transform == "none" {
		if of.Lower != nil || of.Upper != nil {
			m.add(codeBounds, below(at, "transform"), "bounds need a transform, but it is \"none\"").
				WithLabel("without effect").WithHelp("remove transform, or lower and upper")
		}
		return everywhere
	}
	if of.Lower != nil {
		b.lower = *of.Lower
	}
	if of.Upper != nil {
		b.upper = *of.Upper
	}
	switch {
	case !(b.lower < b.upper):
		m.add(codeBounds, at, "the lower bound of `%s` must be less than the upper one, but they are %g and %g", name, b.lower, b.upper).
			WithLabel("empty").WithHelp("lower it, or raise the upper one")
	case b == everywhere:
		m.add(codeBounds, at, "`%s` needs a bound", name).WithLabel("no bound").WithHelp("add lower = ..., or upper = ...")
	}
	return b
}

// Coordinates replaces the values of bounded variables in the rows of members by their coordinates,
// which filters get, and diagnostics, which they do not get, by 0. Values must lie between the bounds.
func (p *Plan) Coordinates(members *mat.Dense) {
	replace(members, p.bounded, interval.to)
	first, end := p.Diagnostics()
	for i := range members.RawMatrix().Rows {
		clear(members.RawRowView(i)[first:end])
	}
}

// Values is the inverse of [Plan.Coordinates], but for diagnostics, which are then NaN.
func (p *Plan) Values(members *mat.Dense) {
	replace(members, p.bounded, interval.from)
	first, end := p.Diagnostics()
	for i := range members.RawMatrix().Rows {
		missing(members.RawRowView(i)[first:end])
	}
}

// replace replaces the values of variables in the rows of members by a function of them.
func replace(members *mat.Dense, variables []bounded, by func(interval, float64) float64) {
	rows, _ := members.Dims()
	for _, v := range variables {
		for i := range rows {
			row := members.RawRowView(i)[v.first : v.first+v.size]
			for j, x := range row {
				row[j] = by(v.interval, x)
			}
		}
	}
}

// withBounds returns a filter that gets and returns the values of bounded variables in their
// coordinates.
func withBounds(f sdk.Filter, variables []bounded) sdk.Filter {
	if len(variables) == 0 {
		return f
	}
	return &unbounded{Filter: f, variables: variables}
}

// unbounded is a filter that works in coordinates of bounded variables.
type unbounded struct {
	sdk.Filter
	variables []bounded
	memory    reused
}

// Analyse implements sdk.Filter. Cost: O(N) for each bounded value, and a copy of the
// forecast. Members that the filter does not move change by rounding.
func (u *unbounded) Analyse(ctx context.Context, p *sdk.Problem) (*sdk.Analysis, error) {
	rows, n := p.Ensemble.Dims()
	inner := *p
	inner.Ensemble = u.memory.take(rows, n)
	inner.Ensemble.Copy(p.Ensemble)
	for _, v := range u.variables {
		for i := range rows {
			row := inner.Ensemble.RawRowView(i)[v.first : v.first+v.size]
			for j, x := range row {
				if !v.contains(x) {
					return nil, sdk.Errorf(sdk.KindDiverged, fmt.Sprintf("cycle %d: forecast", p.Cycle), "member %d: %s is %.6g, want %s", p.Member(i), v.name, x, v.wants()).
						WithHint("members must stay within [model.bounds], also with their initial distribution; if the model may reach a bound, place it a little further out")
				}
				if p.Gradient != nil {
					g := p.Gradient.RawRowView(i)
					g[v.first+j] *= v.slope(x)
				}
				row[j] = v.to(x)
			}
		}
	}
	analysis, err := u.Filter.Analyse(ctx, &inner)
	if err != nil {
		return nil, err
	}
	u.memory.give(inner.Ensemble)
	replace(p.Into, u.variables, interval.from)
	return analysis, nil
}
