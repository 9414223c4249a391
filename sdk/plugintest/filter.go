package plugintest

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// observed are the indices of the state values that are observed.
var observed = []int{0, 2, 3}

const errorVariance = 0.25

// spaceOf is the space of those values of state.
func spaceOf(state *sdk.Layout) *sdk.ObservationSpace {
	var points mat.Matrix
	if rule, ok := state.Coordinates.Points.(sdk.Grid); ok {
		var part sdk.Grid
		for _, j := range observed {
			part = append(part, rule.Part(j, 1, 1)...)
		}
		points = part
	} else {
		listed := mat.NewDense(len(observed), 1, nil)
		for k, j := range observed {
			listed.Set(k, 0, state.Coordinates.Points.At(j, 0))
		}
		points = listed
	}
	return &sdk.ObservationSpace{
		Layout: &sdk.Layout{
			Variables:   []sdk.Variable{{Name: "x", Shape: []int{len(observed)}, Dims: []string{"site"}, Unit: "1"}},
			Coordinates: &sdk.Coordinates{Dims: []string{"site"}, Period: []float64{6}, Points: points},
		},
		Offers: []sdk.Capability{sdk.Predicted, sdk.Simulated, sdk.LogLikelihood, sdk.Gradient, sdk.ErrorVariance, sdk.HasPositions},
	}
}

func (s *suite) checkFilter() {
	configure := func(p sdk.Params) (sdk.Filter, error) { return s.newFilter(p, nil, 0) }
	filter, err := configure(s.params())
	if err != nil {
		s.fault("configure", "%v", err)
		return
	}
	s.checkRefusals(func(p sdk.Params) error {
		_, err := configure(p)
		return err
	})
	a := analyseCall{s, filter, newProblem(filter, 6)}
	s.checkByRule()
	b := analyseCall{s, filter, newProblem(filter, 7)}
	s.checkPure("analyse", a.run, b.run, s.plugin.Manifest.Threading.ConcurrentCalls)
	s.checkMissing(filter)
	s.checkBadForecast(filter)
	if s.plugin.Manifest.Fractions {
		s.checkFractions(filter)
	}
	if s.plugin.Manifest.Cutoffs {
		s.checkCutoffs(a)
	}
	if s.plugin.Manifest.Smooths {
		s.checkSmooths(a)
	}
}

// checkByRule compares the answers of a filter that is given positions by rule, and of one that is given a list of them.
func (s *suite) checkByRule() {
	var answers [3]answer
	list := mat.DenseCopyOf(byRule)
	for i, points := range []mat.Matrix{list, byRule, list} {
		state := stateAt(points)
		filter, err := s.plugin.NewFilter(s.ctx, sdk.FilterConfig{Params: s.params(), State: state, Observations: spaceOf(state), Members: members})
		if err != nil {
			return // reported for other positions
		}
		if answers[i], err = (analyseCall{s, filter, newProblem(filter, 6)}).run(); err != nil {
			return
		}
	}
	if difference(answers[0], answers[2]) != "" {
		return // reported as an answer that is another one the second time
	}
	if d := difference(answers[0], answers[1]); d != "" {
		s.fault("positions", "by rule change the answer: %s", d)
	}
}

// checkCutoffs compares the answer with that of a filter for observations that all have the cutoff of the filter.
func (s *suite) checkCutoffs(without analyseCall) {
	filter, err := s.newFilter(s.params(), make([]float64, len(observed)), 0)
	if err != nil {
		s.fault("cutoffs", "%v", err)
		return
	}
	want, err := without.run()
	got, err2 := analyseCall{s, filter, newProblem(filter, 6)}.run()
	if err != nil || err2 != nil {
		return
	}
	if d := difference(want, got); d != "" {
		s.fault("cutoffs", "cutoffs of 0, which are the filter's own, change the answer: %s", d)
	}
}

// newFilter configures the filter, with states of past earlier times.
func (s *suite) newFilter(p sdk.Params, cutoffs []float64, past int) (sdk.Filter, error) {
	state := stateLayout()
	space := spaceOf(state)
	space.Cutoffs = cutoffs
	return s.plugin.NewFilter(s.ctx, sdk.FilterConfig{Params: p, State: state, Observations: space, Members: members, Past: past})
}

// newProblem returns a problem with everything that filter needs and nothing else.
func newProblem(filter sdk.Filter, stream int) *sdk.Problem {
	e := ensembleAround(stateCentre, stream)
	y := make([]float64, len(observed))
	for k, j := range observed {
		y[k] = stateCentre[j] + 0.2
	}
	p := &sdk.Problem{Call: sdk.Call{Cycle: 1, Seed: rng.New(8)}, Time: 1, Ensemble: e, Observation: y}
	fill(p, filter.Needs())
	return p
}

// fill computes the answer of a linear operator with normal errors for p.
func fill(p *sdk.Problem, needs []sdk.Capability) { fillWith(p, needs, errorVariance) }

func fillWith(p *sdk.Problem, needs []sdk.Capability, errorVariance float64) {
	rows, n := p.Ensemble.Dims()
	m := len(observed)
	predicted, simulated := mat.NewDense(rows, m, nil), mat.NewDense(rows, m, nil)
	logLikelihood, gradient := mat.NewDense(rows, m, nil), mat.NewDense(rows, n, nil)
	for i := range rows {
		stream := rng.New(9).Member(i)
		for k, j := range observed {
			h := p.Ensemble.At(i, j)
			predicted.Set(i, k, h)
			simulated.Set(i, k, h+math.Sqrt(errorVariance)*stream.NormFloat64())
			if r := p.Observation[k] - h; !math.IsNaN(p.Observation[k]) {
				logLikelihood.Set(i, k, -0.5*(r*r/errorVariance+math.Log(2*math.Pi*errorVariance)))
				gradient.Set(i, j, r/errorVariance)
			}
		}
	}
	for _, need := range needs {
		switch need {
		case sdk.Predicted:
			p.Predicted = predicted
		case sdk.Simulated:
			p.Simulated = simulated
		case sdk.LogLikelihood:
			p.LogLikelihood = logLikelihood
		case sdk.Gradient:
			p.Gradient = gradient
		case sdk.ErrorVariance:
			p.ErrorVariance = slices.Repeat([]float64{errorVariance}, m)
		}
	}
}

type analyseCall struct {
	s      *suite
	filter sdk.Filter
	given  *sdk.Problem
}

func (c analyseCall) run() (answer, error) {
	got, _, err := c.analyse()
	return got, err
}

func (c analyseCall) analyse() (answer, *sdk.Analysis, error) {
	rows, n := c.given.Ensemble.Dims()
	p := *c.given
	p.Ensemble, p.Observation = mat.DenseCopyOf(c.given.Ensemble), slices.Clone(c.given.Observation)
	p.Predicted, p.Simulated = clone(c.given.Predicted), clone(c.given.Simulated)
	p.LogLikelihood, p.Gradient = clone(c.given.LogLikelihood), clone(c.given.Gradient)
	p.Into = unwritten(rows, n)
	a, err := c.filter.Analyse(c.s.ctx, &p)
	if err != nil {
		return answer{}, nil, err
	}
	c.s.checkFinite("analyse", "the ensemble", p.Into, nil, false)
	c.checkWeights(a.LogWeights, rows)
	c.checkAncestors(a.Ancestors, rows)
	for name, v := range a.Metrics {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			c.s.fault("analyse", "metric %s is %v", name, v)
		}
	}
	got := answer{matrices: map[string]*mat.Dense{"ensemble": p.Into}, other: fmt.Sprint(a.LogWeights, a.Ancestors, a.Carry, a.Metrics)}
	for name, pair := range map[string][2]*mat.Dense{
		"ensemble": {p.Ensemble, c.given.Ensemble}, "predicted": {p.Predicted, c.given.Predicted}, "simulated": {p.Simulated, c.given.Simulated},
		"log_likelihood": {p.LogLikelihood, c.given.LogLikelihood}, "gradient": {p.Gradient, c.given.Gradient},
	} {
		if pair[0] != nil {
			err = firstError(err, unchanged(name, pair[0], pair[1]))
		}
	}
	return got, a, err
}

func clone(m *mat.Dense) *mat.Dense {
	if m == nil {
		return nil
	}
	return mat.DenseCopyOf(m)
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// checkWeights checks that log-weights are normalised: the sum of rows numbers near 1 is
// exact to rows ulps.
func (c analyseCall) checkWeights(logWeights []float64, rows int) {
	if logWeights == nil {
		return
	}
	if len(logWeights) != rows {
		c.s.fault("analyse", "%d log-weights for %d members", len(logWeights), rows)
		return
	}
	sum := 0.0
	for _, w := range logWeights {
		sum += math.Exp(w)
	}
	if !(math.Abs(sum-1) < 1e-9) {
		c.s.fault("analyse", "the weights sum to %v; want 1: normalise the log-weights", sum)
	}
}

func (c analyseCall) checkAncestors(ancestors []int, rows int) {
	if ancestors == nil {
		return
	}
	if len(ancestors) != rows {
		c.s.fault("analyse", "%d ancestors for %d members", len(ancestors), rows)
	}
	for i, a := range ancestors {
		if a < 0 || a >= rows {
			c.s.fault("analyse", "member %d descends from row %d; want 0 to %d", i, a, rows-1)
			return
		}
	}
}

// checkFractions calls a filter twice in a cycle, with the first half of the likelihood and
// with the other. What the filter uses in a call is already that of the fraction, so the
// second answer is that to a problem with an error as large; and what it learns from
// innovations it has learnt in the first call.
func (s *suite) checkFractions(filter sdk.Filter) {
	run := func(what string, seen int, fraction, variance float64, carry []byte) (answer, *sdk.Analysis) {
		c := analyseCall{s, filter, newProblem(filter, 6)}
		p := c.given
		fillWith(p, filter.Needs(), variance)
		p.Fraction, p.Seen, p.Carry = slices.Repeat([]float64{fraction}, len(observed)), seen, carry
		got, a, err := c.analyse()
		if err != nil {
			s.fault("fractions", "%s: %v", what, err)
			return answer{}, nil
		}
		return got, a
	}
	m := len(observed)
	whole, first := run("the first call", 0, 1, errorVariance, nil)
	plain, err := analyseCall{s, filter, newProblem(filter, 6)}.run()
	if first == nil || err != nil {
		return
	}
	if d := difference(plain, whole); d != "" {
		s.fault("fractions", "a fraction of 1 changes the answer: %s", d)
	}
	half, second := run("a later call", m, 0.5, 2*errorVariance, first.Carry)
	large, other := run("a later call", m, 1, 2*errorVariance, first.Carry)
	if second == nil || other == nil {
		return
	}
	if d := matrixDifference(large.matrices["ensemble"], half.matrices["ensemble"]); d != "" {
		s.fault("fractions", "half of the likelihood does not count as an error of twice the variance: ensemble %s; error variance, simulated observations and log-likelihoods of a call are already those of its fraction", d)
	}
	if !bytes.Equal(second.Carry, first.Carry) {
		s.fault("fractions", "a later call of the same cycle changes what is carried over; what is learnt from innovations is learnt when they are fresh")
	}
}

// checkSmooths gives a filter states of two earlier times, too. They have to be answered, and may not change
// what is answered without them.
func (s *suite) checkSmooths(without analyseCall) {
	filter, err := s.newFilter(s.params(), nil, 2)
	if err != nil {
		s.fault("smooths", "configured with states of earlier times: %v", err)
		return
	}
	p := newProblem(without.filter, 6)
	rows, n := p.Ensemble.Dims()
	e := mat.NewDense(rows, 3*n, nil)
	for k := range 3 {
		e.Slice(0, rows, k*n, (k+1)*n).(*mat.Dense).Copy(ensembleAround(stateCentre, 6+k))
	}
	p.Ensemble = e
	want, err := without.run()
	if err != nil {
		return // which has been reported
	}
	got, err := analyseCall{s, filter, p}.run()
	if err != nil {
		s.fault("smooths", "with states of earlier times: %v", err)
		return
	}
	now := mat.DenseCopyOf(got.matrices["ensemble"].Slice(0, rows, 0, n))
	if d := matrixDifference(want.matrices["ensemble"], now); d != "" {
		s.fault("smooths", "states of earlier times change the analysis: ensemble %s", d)
	}
	if want.other != got.other {
		s.fault("smooths", "states of earlier times change weights, ancestors, metrics or what is carried over: got %s, want %s", got.other, want.other)
	}
}

// checkMissing hides one observed component, then all of them. Both must give a
// finite analysis that does not depend on the predictions of the hidden components.
func (s *suite) checkMissing(filter sdk.Filter) {
	for hidden := 1; hidden <= len(observed); hidden += len(observed) - 1 {
		p := newProblem(filter, 6)
		for k := range hidden {
			p.Observation[k] = math.NaN()
		}
		fill(p, filter.Needs())
		if _, err := (analyseCall{s, filter, p}).run(); err != nil {
			s.fault("missing observations", "%d of %d missing: %v", hidden, len(observed), err)
		}
	}
}

// checkBadForecast passes a forecast with a NaN: the filter must refuse it rather than
// propagate it.
func (s *suite) checkBadForecast(filter sdk.Filter) {
	p := newProblem(filter, 6)
	p.Ensemble.Set(1, 0, math.NaN())
	p.Into = unwritten(p.Ensemble.Dims())
	if _, err := filter.Analyse(s.ctx, p); err == nil {
		s.fault("bad input", "a forecast with a NaN is accepted; want an error that names the member")
	}
}
