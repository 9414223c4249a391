package cycle

import (
	"context"
	"math"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// record is what the length of a window follows from: sums over the cycles so far, of which
// the last ones count most.
type record struct {
	Longest         int     // cycles that the window may have now
	Squares         float64 // of innovations, less the variance of the errors, in units of it
	Spread          float64 // variance of the predictions in the same units
	Growth, Counted float64 // logarithms of the growth of the spread in a cycle, and their number
	Moved, Lost     float64 // by the start in a cycle: squares of steps of its mean, and variance, in units of that before
	Cycles, Rest    int     // with observations; cycles to wait until the length may change again
}

// Constants of the rules; they were found on Lorenz-63 and Lorenz-96, see docs/results.
const (
	forgetting = 0.97 // of innovations: 33 cycles count
	firstJudge = 20   // cycles before the length follows them
	waiting    = 12   // cycles between two changes of the length
	firstLong  = 2    // cycles of the window before anything is known
	firstLocal = 1    // of that of a filter that localizes, which does not find back from two that are too long
	// Innovations that are this many times as large as the spread predicts show that the
	// window does not follow the truth, and this many times that it does.
	tooLarge, asPredicted = 3, 1.1
	// So do squares of steps of the start that are this many times as large, and as many times as
	// large as innovations; no single one counts for more than so many variances.
	tooFar, farthest = 2, 4
	remembering      = 0.99 // of steps: 100 cycles count
	leastLost        = 1e-6 // what a filter that leaves variances alone seems to take of them
	// The spread doubles so often in a cycle where a window of 1 or 2 cycles is long enough.
	fast, slow = 0.8, 0.3
)

// length returns the number of cycles that a window has at most.
func (r *record) length(w *plan.Window) int {
	if w == nil {
		return 0
	}
	switch {
	case r.Cycles > 0:
		return r.Longest
	case w.Auto && w.Local:
		return firstLocal
	case w.Auto:
		return min(w.Length, firstLong)
	}
	return w.Length
}

// follow takes the forecast of s into the record and returns the length of the window in the
// next cycle.
func (r *record) follow(w *plan.Window, s *Step) int {
	r.Longest = r.length(w)
	if w == nil || w.Length == 0 {
		return 0
	}
	if s.Predicted != nil && s.ErrorVariance != nil && observed(s.Observation) {
		r.add(s)
		r.judge(w)
	}
	return r.Longest
}

// add adds the innovations of s.
func (r *record) add(s *Step) {
	weights := linear(s.Forecast.LogWeights)
	mean := ensemble.Mean(nil, s.Predicted, weights)
	variance := ensemble.Variance(nil, s.Predicted, mean, weights)
	squares, spread, m := 0.0, 0.0, 0.0
	for j, y := range s.Observation {
		if !math.IsNaN(y) {
			if !(variance[j] >= 0) { // all weight is on a single member, which has no spread
				return
			}
			squares += (y-mean[j])*(y-mean[j])/s.ErrorVariance[j] - 1
			spread += variance[j] / s.ErrorVariance[j]
			m++
		}
	}
	r.Squares, r.Spread = forgetting*r.Squares+squares/m, forgetting*r.Spread+spread/m
	r.Cycles++
}

// judge makes the window shorter where innovations or steps of the start are too large, and longer, up
// to what is wanted, where innovations are as predicted and steps not too large.
func (r *record) judge(w *plan.Window) {
	if r.Rest > 0 {
		r.Rest--
		return
	}
	if r.Cycles <= firstJudge {
		return
	}
	ratio, wanted := r.Squares/r.Spread, r.wanted(w)
	far := r.Lost > leastLost && r.Moved > tooFar*r.Lost*max(1, ratio)
	switch {
	case (ratio > tooLarge || far) && r.Longest > 0, r.Longest > wanted:
		r.Longest--
	case ratio < asPredicted && !far && r.Longest < wanted:
		r.Longest++
	default:
		return
	}
	r.Rest = waiting
}

// wanted returns the length that the window is to have: the one that the workflow gives, or
// by how fast the spread grows, in doublings a cycle.
func (r *record) wanted(w *plan.Window) int {
	if !w.Auto || r.Counted == 0 {
		return w.Length
	}
	switch doublings := r.Growth / r.Counted / math.Ln2; {
	case doublings > fast:
		return min(w.Length, 1)
	case doublings > slow:
		return min(w.Length, 2)
	}
	return w.Length
}

// metrics returns what the record says of innovations and of the spread.
func (r *record) metrics() map[string]float64 {
	metrics := map[string]float64{}
	if r.Spread > 0 {
		metrics["window_innovations"] = r.Squares / r.Spread
	}
	if r.Lost > 0 {
		metrics["window_steps"] = r.Moved / r.Lost
	}
	if r.Counted > 0 {
		metrics["window_doublings"] = r.Growth / r.Counted / math.Ln2
	}
	return metrics
}

// grow takes the growth of the spread in the last cycle into the record: the mean over the
// state, without parameters, of the logarithm.
func (a *assimilation) grow(from, to *mat.Dense) {
	if w := a.trial.Window; w == nil || !w.Auto {
		return
	}
	_, before := a.moments(from)
	_, now := a.moments(to)
	sum, n := 0.0, 0.0
	_, modelled := a.plan.Modelled()
	for j := range modelled {
		if before[j] > 0 && now[j] > 0 {
			sum += math.Log(now[j]/before[j]) / 2
			n++
		}
	}
	if n > 0 {
		r := &a.record
		r.Growth, r.Counted = forgetting*r.Growth+sum/n, forgetting*r.Counted+1
	}
}

// moments returns mean and variance of members.
func (a *assimilation) moments(members *mat.Dense) (mean, variance []float64) {
	weights := linear(a.logWeights)
	mean = ensemble.Mean(nil, members, weights)
	return mean, ensemble.Variance(nil, members, mean, weights)
}

// watch returns a function that takes into the record how far the mean of the start has moved since, and how
// much of its variance has gone: over the state, without parameters. With the right model and spread the
// square of the first is the second on average, or less with parts of observations. With a wrong model
// the start is moved again and again, also where a filter widens so that innovations look right.
func (a *assimilation) watch() func() {
	if w := a.trial.Window; w == nil || w.Length == 0 {
		return func() {}
	}
	mean, variance := a.moments(a.points[0].members)
	return func() {
		now, left := a.moments(a.points[0].members)
		moved, lost, n := 0.0, 0.0, 0.0
		_, modelled := a.plan.Modelled()
		for j := range modelled {
			if variance[j] > 0 && left[j] >= 0 { // not with the weight on a single member
				d := now[j] - mean[j]
				moved, lost, n = moved+min(farthest, d*d/variance[j]), lost+max(-1, 1-left[j]/variance[j]), n+1
			}
		}
		if r := &a.record; n > 0 {
			r.Moved, r.Lost = remembering*r.Moved+moved/n, remembering*r.Lost+lost/n
		}
	}
}

// ordinary returns the analysis of the last time by a filter that does not run the model
// again, from the forecast of s, and what else goes on from its members: what the window is to be
// better than. It returns no members without a window, or where the two cannot be compared: what a
// filter has moved has no diagnostics to observe.
func (a *assimilation) ordinary(ctx context.Context, s *Step) (Ensemble, point, error) {
	if a.lag() == 0 || a.last().y == nil || s.Predicted == nil || s.ErrorVariance == nil || a.diagnoses() {
		return Ensemble{}, point{}, nil
	}
	parts := a.whatIsLeft()
	if err := a.look(ctx, s, parts); err != nil {
		return Ensemble{}, point{}, err
	}
	into := a.copied(&a.copies.ordinary)
	analysis, err := a.ask(ctx, s, a.at(a.last()), into, parts, a.call("analyse", s.Cycle).Seed.Child("ordinary", 0), a.last().y != nil, along{})
	if err != nil {
		return Ensemble{}, point{}, err
	}
	on := point{states: states{carries: a.last().carries}}
	if noise := a.last().noise; noise != nil {
		on.noise = mat.DenseCopyOf(noise) // that of the last time is made again
	}
	on.inherit(analysis.Ancestors)
	return Ensemble{into, analysis.LogWeights, a.numbers}, on, nil
}

// lost reports whether an analysis of a window with a misfit has lost the truth, where the
// ordinary one has that of was. With the multiple scheme, which seldom loses it, false alarms
// cost more.
func lost(w *plan.Window, is, was float64) bool {
	if w.Multiple {
		return is > 4*was+4
	}
	return is > 1.5*was+0.5
}

// guard compares how the analysis of s and the ordinary one fit the newest observations. If
// the window has lost the truth it ends, and begins again at the ordinary analysis.
func (a *assimilation) guard(ctx context.Context, s *Step, ordinary Ensemble, on point) error {
	rows, _ := s.Analysis.Members.Dims()
	if ordinary.Members == nil || ordinary.Members.RawMatrix().Rows != rows {
		return nil
	}
	is, err := a.misfit(ctx, s, s.Analysis)
	if err != nil {
		return err
	}
	was, err := a.misfit(ctx, s, ordinary)
	if err != nil {
		return err
	}
	s.Metrics["window_misfit"], s.Metrics["window_restarted"] = is/was, 0
	if !lost(a.trial.Window, is, was) {
		return nil
	}
	s.Metrics["window_restarted"] = 1
	a.forget(s)
	a.idle = append(a.idle, a.points[:a.lag()]...)
	a.points = a.points[a.lag():]
	start := a.points[0]
	start.members.Copy(ordinary.Members)
	start.looked, start.left, start.noise, start.carries, a.logWeights = false, 0, on.noise, on.carries, ordinary.LogWeights
	s.Analysis, s.Ancestors, s.kin = a.at(start), nil, nil
	return nil
}

// misfit returns the mean square difference of the newest observations from the predictions
// of e, in units of the variance of the error.
func (a *assimilation) misfit(ctx context.Context, s *Step, e Ensemble) (float64, error) {
	rows, _ := e.Members.Dims()
	if a.copies.observed == nil {
		a.copies.observed = mat.NewDense(rows, len(s.Observation), nil)
	}
	r := &sdk.ObserveRequest{Call: a.call("observe", s.Cycle), Time: s.Time, Ensemble: e.Members, Predicted: a.copies.observed}
	if _, err := a.foresee(ctx, a.plan.Operator, r); err != nil {
		return 0, err
	}
	weights, sum, m := linear(e.LogWeights), 0.0, 0.0
	for j, y := range s.Observation {
		if math.IsNaN(y) {
			continue
		}
		m++
		for i := range rows {
			weight := 1 / float64(rows)
			if weights != nil {
				weight = weights[i]
			}
			d := y - r.Predicted.At(i, j)
			sum += weight * d * d / s.ErrorVariance[j]
		}
	}
	return sum / m, nil
}
