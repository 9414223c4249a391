package plugintest

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// stateLayout is the state that operators and filters are tried on: six values
// of one variable on a line.
func stateLayout() *sdk.Layout {
	return stateAt(mat.NewDense(6, 1, []float64{0, 1, 2, 3, 4, 5}))
}

// stateAt is stateLayout with values at other positions.
func stateAt(points mat.Matrix) *sdk.Layout {
	return &sdk.Layout{
		Variables:   []sdk.Variable{{Name: "x", Shape: []int{6}, Dims: []string{"site"}, Unit: "1"}},
		Coordinates: &sdk.Coordinates{Dims: []string{"site"}, Period: []float64{6}, Points: points},
	}
}

// byRule are positions of the state, half way between those of stateLayout, by a rule with an origin.
var byRule = sdk.Grid{{Count: 6, Stride: 1, Axes: []sdk.GridAxis{{Spacing: 1, Every: 1, Length: 6, Origin: -0.5}}}}

var stateCentre = []float64{1, 0.5, -1, 2, -0.5, 1.5}

func (s *suite) operator(params sdk.Params, dist string) (sdk.ObservationOperator, error) {
	return s.operatorOn(stateLayout(), params, dist)
}

func (s *suite) operatorOn(state *sdk.Layout, params sdk.Params, dist string) (sdk.ObservationOperator, error) {
	return s.plugin.NewOperator(s.ctx, sdk.OperatorConfig{
		Params: params,
		State:  state,
		Error:  sdk.ErrorModel{Dist: dist, SD: []float64{0.5}, DF: 5},
	})
}

func (s *suite) checkOperator() {
	dists := s.plugin.Manifest.Errors
	if len(dists) == 0 {
		s.fault("manifest", "errors is empty; want the error distributions that the operator supports")
		return
	}
	s.checkRefusals(func(p sdk.Params) error {
		_, err := s.operator(p, dists[0])
		return err
	})
	if _, err := s.operator(s.params(), "no such distribution"); err == nil {
		s.fault("refusals", "an unknown error distribution is accepted")
	}
	for _, dist := range dists {
		op, err := s.operator(s.params(), dist)
		if err != nil {
			s.fault("configure", "error.dist = %q: %v", dist, err)
			continue
		}
		s.checkObserve(op, dist)
	}
	s.checkPositions(dists[0])
}

// checkPositions compares the positions of observations of a state whose positions are by rule with
// those of one that lists the same positions.
func (s *suite) checkPositions(dist string) {
	var found [2]*mat.Dense
	for i, points := range []mat.Matrix{mat.DenseCopyOf(byRule), byRule} {
		op, err := s.operatorOn(stateAt(points), s.params(), dist)
		if err != nil {
			return // reported for other positions
		}
		if c := op.Space().Layout.Coordinates; c != nil {
			found[i] = mat.DenseCopyOf(c.Points)
		}
	}
	if !reflect.DeepEqual(found[0], found[1]) {
		s.fault("positions", "of observations are others when those of the state are given by rule: got %v, want %v", found[1], found[0])
	}
}

func (s *suite) checkObserve(op sdk.ObservationOperator, dist string) {
	space := op.Space()
	if err := space.Layout.Check(); err != nil {
		s.fault("space", "%v", err)
		return
	}
	known := []sdk.Capability{sdk.Predicted, sdk.Simulated, sdk.LogLikelihood, sdk.Gradient, sdk.ErrorVariance, sdk.HasPositions}
	for _, c := range space.Offers {
		if !slices.Contains(known, c) {
			s.fault("space", "offers %q; want some of %v", c, known)
		}
	}
	if !slices.Contains(space.Offers, sdk.Predicted) && !slices.Contains(space.Offers, sdk.Simulated) {
		s.fault("space", "offers neither %q nor, for a black box, %q", sdk.Predicted, sdk.Simulated)
	}
	role := "observe (" + dist + " errors)"
	a := observeCall{s, op, role, ensembleAround(stateCentre, 3), rowsFrom(0, members)}
	b := observeCall{s, op, role, ensembleAround(stateCentre, 4), rowsFrom(0, members-5)}
	if s.checkPure(role, a.run, b.run, s.plugin.Manifest.Threading.ConcurrentCalls) {
		s.checkObserveSplit(a)
		s.checkGradient(a)
	}
}

type observeCall struct {
	s        *suite
	op       sdk.ObservationOperator
	role     string
	ensemble *mat.Dense
	members  []int // rows of ensemble
}

func (c observeCall) run() (answer, error) {
	space := c.op.Space()
	rows, m := len(c.members), space.Layout.Size()
	_, n := c.ensemble.Dims()
	offers := func(w sdk.Capability, cols int) *mat.Dense {
		if !slices.Contains(space.Offers, w) {
			return nil
		}
		return unwritten(rows, cols)
	}
	in := rowsOf(c.ensemble, c.members)
	r := &sdk.ObserveRequest{
		Call: sdk.Call{Cycle: 1, Seed: rng.New(5)}.Of(c.members), Time: 1,
		Ensemble: mat.DenseCopyOf(in), Observation: c.observation(m),
		Predicted: offers(sdk.Predicted, m), Simulated: offers(sdk.Simulated, m),
		LogLikelihood: offers(sdk.LogLikelihood, m), Gradient: offers(sdk.Gradient, n),
	}
	res, err := c.op.Observe(c.s.ctx, r)
	if err != nil {
		return answer{}, err
	}
	got := c.collect(r, res)
	return got, unchanged("ensemble", r.Ensemble, in)
}

// observation returns an observation near the prediction at the centre, or what a black box
// reads there, with its first component missing.
func (c observeCall) observation(m int) []float64 {
	near := mat.NewDense(1, m, nil)
	r := &sdk.ObserveRequest{Ensemble: mat.NewDense(1, len(stateCentre), slices.Clone(stateCentre))}
	if slices.Contains(c.op.Space().Offers, sdk.Predicted) {
		r.Predicted = near
	} else {
		r.Simulated = near
	}
	if _, err := c.op.Observe(c.s.ctx, r); err != nil {
		return make([]float64, m) // the call that follows reports why
	}
	y := slices.Clone(near.RawRowView(0))
	y[0] = math.NaN()
	return y
}

func (c observeCall) collect(r *sdk.ObserveRequest, res *sdk.ObserveResult) answer {
	got := answer{matrices: map[string]*mat.Dense{}, other: fmt.Sprint(res.ErrorVariance)}
	for name, m := range map[string]*mat.Dense{
		"predicted": r.Predicted, "simulated": r.Simulated, "log_likelihood": r.LogLikelihood, "gradient": r.Gradient,
	} {
		if m != nil {
			got.matrices[name] = m
			c.s.checkFinite(c.role, name, m, nil, name == "log_likelihood")
		}
	}
	if l := r.LogLikelihood; l != nil {
		for i := range l.RawMatrix().Rows {
			if l.At(i, 0) != 0 {
				c.s.fault(c.role, "log_likelihood: member %d is %v for a missing observation; want 0", i, l.At(i, 0))
				break
			}
		}
	}
	c.checkVariance(res.ErrorVariance)
	return got
}

func (c observeCall) checkVariance(v []float64) {
	if !slices.Contains(c.op.Space().Offers, sdk.ErrorVariance) {
		return
	}
	if m := c.op.Space().Layout.Size(); len(v) != m {
		c.s.fault(c.role, "error_variance holds %d values; want %d", len(v), m)
	}
	for j, x := range v {
		if !(x > 0) || math.IsInf(x, 0) {
			c.s.fault(c.role, "error_variance: value %d is %v; want a finite number above 0", j, x)
			return
		}
	}
}

func (s *suite) checkObserveSplit(whole observeCall) {
	if !s.plugin.Manifest.Threading.IndependentMembers {
		return
	}
	want, err := whole.run()
	if err != nil {
		return // reported by checkPure
	}
	for _, rows := range parts[1:] {
		part := whole
		part.members = rows
		got, err := part.run()
		if err != nil {
			s.fault(whole.role, "members %s alone: %v", named(rows), err)
			return
		}
		for name, m := range want.matrices {
			if d := matrixDifference(rowsOf(m, rows), got.matrices[name]); d != "" {
				s.fault(whole.role, "%s: members %s by themselves give a different answer: %s; %s", name, named(rows), d, hintStreams)
			}
		}
	}
}

// The step of the differences that a gradient is compared with, and the tolerance in units
// of the larger of the two and 1. Rounding causes an error of 1e-16 times the
// log-likelihood divided by the step, 1e-9 for a log-likelihood near 10; the third
// derivative causes one of the squared step, 1e-10. The rest is for operators with less
// exact arithmetic.
const (
	gradientStep      = 1e-5
	gradientTolerance = 1e-5
)

// checkGradient compares the gradient with central differences of the log-likelihood.
func (s *suite) checkGradient(c observeCall) {
	offers := c.op.Space().Offers
	if !slices.Contains(offers, sdk.Gradient) || !slices.Contains(offers, sdk.LogLikelihood) {
		return
	}
	_, n := c.ensemble.Dims()
	y := c.observation(c.op.Space().Layout.Size())
	gradient := unwritten(members, n)
	sums, err := c.logLikelihood(c.ensemble, y, gradient)
	for j := 0; j < n && err == nil; j++ {
		var up, down []float64
		if up, err = c.logLikelihood(moved(c.ensemble, j, gradientStep), y, nil); err != nil {
			break
		}
		if down, err = c.logLikelihood(moved(c.ensemble, j, -gradientStep), y, nil); err != nil {
			break
		}
		for i := range sums {
			got, want := gradient.At(i, j), (up[i]-down[i])/(2*gradientStep)
			if !(math.Abs(got-want) <= gradientTolerance*max(1, math.Abs(got), math.Abs(want))) {
				s.fault(c.role, "member %d, value %d: the gradient is %.6g, but the log-likelihood changes by %.6g per unit", i, j, got, want)
				return
			}
		}
	}
	if err != nil {
		s.fault(c.role, "with gradients: %v", err)
	}
}

// moved returns a copy of ensemble with value j of every member moved.
func moved(ensemble *mat.Dense, j int, by float64) *mat.Dense {
	m := mat.DenseCopyOf(ensemble)
	for i := range members {
		m.Set(i, j, m.At(i, j)+by)
	}
	return m
}

// logLikelihood returns log p(y | x) of every member, and computes its gradient unless
// gradient is nil.
func (c observeCall) logLikelihood(ensemble *mat.Dense, y []float64, gradient *mat.Dense) ([]float64, error) {
	terms := unwritten(members, len(y))
	r := &sdk.ObserveRequest{
		Call: sdk.Call{Cycle: 1, Seed: rng.New(5)}, Time: 1, Ensemble: ensemble, Observation: y,
		Predicted: unwritten(members, len(y)), LogLikelihood: terms, Gradient: gradient,
	}
	if _, err := c.op.Observe(c.s.ctx, r); err != nil {
		return nil, err
	}
	sums := make([]float64, members)
	for i := range sums {
		sums[i] = mat.Sum(terms.RowView(i))
	}
	return sums, nil
}
