package cycle

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// part is what a call of the filter assimilates of the observations of a time.
type part struct {
	*point
	fraction float64 // of the likelihood
}

// analyse moves the start of the window in one or more passes, each with a fraction of what
// is due of every observation in it, and makes the analysis of the last time.
//
// With the single scheme all of the newest observation is due. With the multiple scheme what is
// left of an observation is due in equal parts, now and in each of the next cycles in which it
// will still be in the window. The states that are given out get in one more call what is still
// left of all of them (multiple data assimilation: Bocquet and Sakov 2014,
// doi:10.1002/qj.2236).
func (a *assimilation) analyse(ctx context.Context, s *Step) error {
	if a.collects() {
		return a.collect(ctx, s)
	}
	next := a.record.follow(a.trial.Window, s)
	parts := a.due(next)
	if len(parts) == 0 {
		s.Analysis, s.Past = a.at(a.last()), a.held(s.Cycle)
		return nil
	}
	ordinary, on, err := a.ordinary(ctx, s)
	if err != nil {
		return err
	}
	moved := a.watch()
	passes, err := a.takeIn(ctx, s, parts)
	if err != nil {
		return err
	}
	moved()
	if err := a.giveOut(ctx, s); err != nil {
		return err
	}
	a.errors.report(a.plan, s)
	if rows, _ := s.Forecast.Members.Dims(); rows != s.Analysis.Members.RawMatrix().Rows {
		s.Ancestors = nil // members have left the trial in between
	}
	if a.trial.Window != nil {
		s.Metrics = with(s.Metrics, a.record.metrics())
		s.Metrics["window_lag"], s.Metrics["window_passes"] = float64(a.lag()), float64(passes)
	}
	return a.guard(ctx, s, ordinary, on)
}

// takeIn assimilates parts in passes, of which it returns the number, and runs the window again
// after each of them.
func (a *assimilation) takeIn(ctx context.Context, s *Step, parts []part) (passes int, err error) {
	rule := a.passes()
	if a.lag() > 0 || rule.most > 1 {
		a.keepForecast(s)
	}
	fresh := a.last().y != nil
	for rest := 1.0; rest > 1e-9; passes++ {
		if err := a.look(ctx, s, parts); err != nil {
			return 0, err
		}
		f := rule.next(a, parts, rest, passes)
		if err := a.pass(ctx, s, a.points[0], scaled(parts, f), passes, fresh); err != nil {
			return 0, err
		}
		if err := a.again(ctx, s); err != nil {
			return 0, err
		}
		rest -= f
	}
	for _, p := range parts {
		p.left = max(0, p.left-p.fraction)
	}
	return passes, nil
}

// again makes all that depends on the start again: forecasts, and predictions when they are needed.
func (a *assimilation) again(ctx context.Context, s *Step) error {
	a.points[0].looked = false
	return a.rerun(ctx, s)
}

// due returns what is to be assimilated of the observations in the window, the oldest first,
// when it is to have at most next cycles after this one.
func (a *assimilation) due(next int) (parts []part) {
	shift := max(0, a.lag()+1-next) // of the start, by the next cycle
	for i, p := range a.points {
		if p.left == 0 || i == 0 && a.lag() > 0 {
			continue
		}
		looks := 1
		if w := a.trial.Window; w != nil && w.Multiple {
			looks += max(0, i-shift)
		}
		parts = append(parts, part{p, p.left / float64(looks)})
	}
	return parts
}

// scaled returns parts with f times their fractions.
func scaled(parts []part, f float64) []part {
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i].fraction *= f
	}
	return parts
}

// look makes the predictions of parts that are not there.
func (a *assimilation) look(ctx context.Context, s *Step, parts []part) error {
	for _, p := range parts {
		if err := a.observe(ctx, s, p.point); err != nil {
			return err
		}
	}
	return nil
}

// pass moves the members of a point, the start of the window unless observations are collected, and with them the
// shocks of the forecasts from there. The first pass is the one in which the newest observations are fresh.
func (a *assimilation) pass(ctx context.Context, s *Step, start *point, parts []part, number int, fresh bool) error {
	call := a.call("analyse", s.Cycle)
	if number > 0 {
		call.Seed, fresh = call.Seed.Child("pass", number), false
	}
	analysis, err := a.ask(ctx, s, a.at(start), a.next.members, parts, call.Seed, fresh, along{a.shocksAfter(start), a.past})
	if err != nil {
		return err
	}
	a.keepMoved()
	start.members, a.next.members = a.next.members, start.members
	a.logWeights = analysis.LogWeights
	s.Ancestors = descended(s.Ancestors, analysis.Ancestors)
	start.inherit(analysis.Ancestors)
	if number == 0 {
		s.Metrics, a.carry = analysis.Metrics, analysis.Carry
	}
	return nil
}

// inherit gives the members of p, whose ancestors are its former ones, the noise of these and
// what they carry.
func (p *point) inherit(ancestors []int) {
	if p.noise != nil && ancestors != nil {
		p.noise = rowsOf(p.noise, ancestors)
	}
	p.carries = itemsOf(p.carries, ancestors)
}

// itemsOf returns the items of some rows, of a list with one item of each; nil rows are all of
// them.
func itemsOf[T any](list []T, rows []int) []T {
	if list == nil || rows == nil {
		return list
	}
	of := make([]T, len(rows))
	for i, from := range rows {
		of[i] = list[from]
	}
	return of
}

// rowsOf returns a matrix of some rows of m.
func rowsOf(m *mat.Dense, rows []int) *mat.Dense {
	_, n := m.Dims()
	of := mat.NewDense(len(rows), n, nil)
	for i, from := range rows {
		of.SetRow(i, m.RawRowView(from))
	}
	return of
}

// descended returns the ancestors of rows that descend from rows with the ancestors before.
func descended(before, now []int) []int {
	if before == nil || now == nil {
		return slices.Concat(before, now)
	}
	return itemsOf(before, now)
}

// giveOut makes the analysis of s: the states at the last time, with all that is left of the
// observations in the window.
func (a *assimilation) giveOut(ctx context.Context, s *Step) error {
	s.Analysis = a.at(a.last())
	parts, past := a.whatIsLeft(), a.before(s.Cycle)
	if len(parts) == 0 {
		s.Past = a.held(s.Cycle)
		return nil
	}
	if err := a.look(ctx, s, parts); err != nil {
		return err
	}
	into := a.copied(&a.copies.balanced)
	analysis, err := a.ask(ctx, s, s.Analysis, into, parts, a.call("analyse", s.Cycle).Seed.Child("balance", 0), false, along{past: past})
	if err != nil {
		return err
	}
	s.Ancestors, s.kin = descended(s.Ancestors, analysis.Ancestors), analysis.Ancestors
	s.Analysis = Ensemble{into, analysis.LogWeights, a.numbers}
	s.Past = a.given(past, analysis.LogWeights)
	return nil
}

// whatIsLeft returns all that is left of the observations after the start of the window.
func (a *assimilation) whatIsLeft() (parts []part) {
	for _, p := range a.points[1:] {
		if p.left > 1e-9 {
			parts = append(parts, part{p, p.left})
		}
	}
	return parts
}

// ask calls the filter for the analysis of e. Components of the newest observations are the
// last ones; fresh says whether no call has used them before. What is moved along is then in a.side.
func (a *assimilation) ask(ctx context.Context, s *Step, e Ensemble, into *mat.Dense, parts []part, seed rng.Seed, fresh bool, with along) (*sdk.Analysis, error) {
	filter, err := a.filter(ctx, plan.Extent{Cycles: len(parts), Noise: len(with.shocks), Past: len(with.past)})
	if err != nil {
		return nil, err
	}
	defer since(&s.Timing.Analyse, time.Now())
	p := a.problem(parts, filter.Needs())
	p.Call, p.Time = sdk.Call{Cycle: s.Cycle, Seed: seed}.Of(e.Numbers), s.Time
	p.Ensemble, p.LogWeights, p.Carry, p.Into = e.Members, e.LogWeights, a.carry, into
	if !fresh {
		p.Seen = len(p.Observation)
	} else if len(parts) > 1 && a.whole == nil && !a.collects() {
		p.Seen = len(p.Observation) / len(parts) * (len(parts) - 1)
	}
	if len(with.past)+len(with.shocks) == 0 {
		return filter.Analyse(ctx, p)
	}
	a.side.join(p, with)
	analysis, err := filter.Analyse(ctx, p)
	if err == nil {
		a.side.part(p, into, with)
	}
	return analysis, err
}

// filter returns the filter configured for an extent.
func (a *assimilation) filter(ctx context.Context, e plan.Extent) (sdk.Filter, error) {
	if a.filters[e] == nil {
		size, _ := a.next.members.Dims()
		f, err := a.trial.Resize(ctx, size, e)
		if err != nil {
			return nil, err
		}
		a.filters[e] = f
	}
	return a.filters[e], nil
}

// stack is memory for the observations of several times next to each other, or for those of
// one with a fraction of the likelihood.
type stack struct {
	predicted, simulated, logLikelihood, gradient *mat.Dense // nil until needed
	y, variance, fraction                         []float64
}

// problem returns the observed side of parts.
func (a *assimilation) problem(parts []part, needs []sdk.Capability) *sdk.Problem {
	if only := parts[0]; len(parts) == 1 && only.fraction == 1 {
		p := &sdk.Problem{Observation: only.y, Simulated: only.look.Simulated, LogLikelihood: only.look.LogLikelihood, Gradient: only.look.Gradient}
		if slices.Contains(needs, sdk.Predicted) {
			p.Predicted = only.look.Predicted
		}
		if slices.Contains(needs, sdk.ErrorVariance) {
			p.ErrorVariance = only.variance
		}
		return p
	}
	for len(a.stacks) < len(parts) {
		a.stacks = append(a.stacks, &stack{})
	}
	k := a.stacks[len(parts)-1]
	k.y, k.variance, k.fraction = k.y[:0], k.variance[:0], k.fraction[:0]
	whole := true
	for _, p := range parts {
		k.y, k.fraction = append(k.y, p.y...), append(k.fraction, slices.Repeat([]float64{p.fraction}, len(p.y))...)
		whole = whole && p.fraction == 1
	}
	problem := &sdk.Problem{Observation: k.y}
	if !whole {
		problem.Fraction = k.fraction
	}
	for _, need := range needs {
		switch need {
		case sdk.Predicted:
			problem.Predicted = fill(&k.predicted, parts, func(dst []float64, p part, i int) { copy(dst, p.look.Predicted.RawRowView(i)) })
		case sdk.Simulated:
			problem.Simulated = fill(&k.simulated, parts, simulatedWith)
		case sdk.LogLikelihood:
			problem.LogLikelihood = fill(&k.logLikelihood, parts, func(dst []float64, p part, i int) {
				for j, l := range p.look.LogLikelihood.RawRowView(i) {
					if dst[j] = l; !math.IsInf(l, -1) {
						dst[j] *= p.fraction
					}
				}
			})
		case sdk.Gradient: // of one time: see package plan
			if k.gradient == nil {
				k.gradient = new(mat.Dense)
			}
			k.gradient.Scale(parts[0].fraction, parts[0].look.Gradient)
			problem.Gradient = k.gradient
		case sdk.ErrorVariance:
			for _, p := range parts {
				for _, v := range p.variance {
					k.variance = append(k.variance, v/p.fraction)
				}
			}
			problem.ErrorVariance = k.variance
		}
	}
	return problem
}

// simulatedWith writes the simulated observations of a member with errors that are
// 1 / sqrt(fraction) times as large.
func simulatedWith(dst []float64, p part, i int) {
	simulated := p.look.Simulated.RawRowView(i)
	if p.fraction == 1 {
		copy(dst, simulated)
		return
	}
	predicted, scale := p.look.Predicted.RawRowView(i), 1/math.Sqrt(p.fraction)
	for j, y := range simulated {
		dst[j] = predicted[j] + scale*(y-predicted[j])
	}
}

// fill writes the rows of parts next to each other into *dst.
func fill(dst **mat.Dense, parts []part, row func(dst []float64, p part, member int)) *mat.Dense {
	rows, m := parts[0].members.RawMatrix().Rows, len(parts[0].y)
	if *dst == nil {
		*dst = mat.NewDense(rows, m*len(parts), nil)
	}
	for i := range rows {
		for k, p := range parts {
			row((*dst).RawRowView(i)[k*m:(k+1)*m], p, i)
		}
	}
	return *dst
}

// keepForecast keeps what will be computed again: the forecast of s and its predictions.
func (a *assimilation) keepForecast(s *Step) {
	kept := a.copied(&a.copies.forecast)
	kept.Copy(s.Forecast.Members)
	s.Forecast.Members = kept
	if s.Predicted != nil {
		if a.copies.predicted == nil {
			a.copies.predicted = new(mat.Dense)
		}
		a.copies.predicted.CloneFrom(s.Predicted)
		s.Predicted = a.copies.predicted
	}
}

// copied returns *of, with memory for the ensemble.
func (a *assimilation) copied(of **mat.Dense) *mat.Dense {
	if *of == nil {
		size, n := a.next.members.Dims()
		*of = mat.NewDense(size, n, nil)
	}
	return *of
}

// with returns a copy of metrics with more of them.
func with(metrics, more map[string]float64) map[string]float64 {
	all := maps.Clone(metrics)
	if all == nil {
		all = map[string]float64{}
	}
	maps.Copy(all, more)
	return all
}

// passRule says which fraction the next pass takes.
type passRule struct {
	most  int // passes
	auto  bool
	least float64 // fraction of a pass by the data misfit
}

// The rules for a window, whose passes cost most where they are many, and for a record, from
// whose prior it may be far to the observations.
var (
	ofWindow = passRule{8, true, 0.05}
	ofRecord = passRule{plan.MostPasses, true, 0}
)

func (a *assimilation) passes() passRule {
	switch w := a.trial.Window; {
	case w == nil, a.lag() == 0 && !w.Whole && a.diagnoses():
		return passRule{most: 1}
	case w.Passes > 0:
		return passRule{most: w.Passes}
	case w.Length > 0 && a.lag() == 0: // closed: as without a window
		return passRule{most: 1}
	case w.Whole:
		return ofRecord
	}
	return ofWindow
}

// next returns the fraction of the pass with a number, from 0, with rest left: equal ones, or
// by a rule. With no more components than members it is the largest that leaves the likelihoods
// an effective sample size of half of what it is before; with more of them, and for a filter that
// localizes, for which all of them together say too much, that is too cautious, and it is
//
//	max(m / (2 mean phi), sqrt(m / (2 var phi))),   phi = 1/2 sum_j d_j² / R_j,
//
// for m components, by the data misfit (Iglesias and Yang 2021, doi:10.1088/1361-6420/abd29b).
func (r passRule) next(a *assimilation, parts []part, rest float64, number int) float64 {
	if !r.auto {
		if number == r.most-1 {
			return rest
		}
		return 1 / float64(r.most)
	}
	phi, components := a.misfits(parts, r == ofRecord)
	if phi == nil || number == r.most-1 {
		return rest
	}
	if components > len(phi) || a.trial.Window.Local {
		mean, square := ensemble.Mean(nil, mat.NewDense(len(phi), 1, phi), nil)[0], 0.0
		for _, v := range phi {
			square += (v - mean) * (v - mean) / float64(len(phi)-1)
		}
		m := float64(components)
		return min(rest, max(m/(2*mean), math.Sqrt(m/(2*square)), r.least))
	}
	prior := slices.Clone(a.logWeights)
	if prior == nil {
		prior = make([]float64, len(phi))
	}
	weights, logs := make([]float64, len(phi)), make([]float64, len(phi))
	size := func(f float64) float64 {
		for i, l := range prior {
			logs[i] = l - f*phi[i]
		}
		ensemble.Normalise(weights, logs)
		return ensemble.ESS(weights, len(weights))
	}
	least := size(0) / 2
	if size(rest) >= least {
		return rest
	}
	low, high := 0.0, rest
	for range 25 {
		if middle := (low + high) / 2; size(middle) < least {
			high = middle
		} else {
			low = middle
		}
	}
	return min(rest, max(low, rest/float64(r.most)))
}

// misfits returns minus the log-likelihood of each member, up to a constant: by the operator,
// unless only those of normal errors are wanted, or of a normal error of known variance, or nil
// if neither is known or there are no parts; and the number of components.
func (a *assimilation) misfits(parts []part, normal bool) (phi []float64, components int) {
	if len(parts) == 0 {
		return nil, 0
	}
	rows := parts[0].members.RawMatrix().Rows
	phi = make([]float64, rows)
	for _, p := range parts {
		var of func(i int) float64
		switch {
		case p.look.LogLikelihood != nil && !normal:
			of = p.logLikelihoods
		case p.look.Predicted == nil || len(p.variance) == 0:
			return nil, 0
		default:
			of = p.squares(a.plan.Standardise(p.y, p.variance))
		}
		for i := range phi {
			phi[i] += p.fraction * of(i)
		}
		for _, y := range p.y {
			if !math.IsNaN(y) {
				components++
			}
		}
	}
	return phi, components
}

// squares returns half of the sum of the squares of the differences of y and what member i
// predicts, in units of the variance of their errors; nil stands for errors without correlations.
func (p *point) squares(standardise func([]float64)) func(i int) float64 {
	residual := make([]float64, len(p.y))
	return func(i int) (sum float64) {
		for j, h := range p.look.Predicted.RawRowView(i) {
			residual[j] = p.y[j] - h
		}
		if standardise != nil {
			standardise(residual)
		}
		for j, d := range residual {
			switch {
			case math.IsNaN(d):
			case standardise != nil:
				sum += d * d / 2
			default:
				sum += d * d / p.variance[j] / 2
			}
		}
		return sum
	}
}

// logLikelihoods returns minus the log-likelihood of member i; that of an impossible one is
// large and finite.
func (p *point) logLikelihoods(i int) (sum float64) {
	for _, l := range p.look.LogLikelihood.RawRowView(i) {
		sum -= max(-1e300, l)
	}
	return sum
}
