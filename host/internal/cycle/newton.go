package cycle

import (
	"context"
	"math"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/ensemble"
	"gonum.org/v1/gonum/mat"
)

// Gauss-Newton over the whole record. In each pass the model is taken for the linear function that
// fits the last run best,
//
//	h(x) ~ h_i + (x - x_i) A_i⁺ Y_i,
//
// with the means x_i and h_i of members and predictions, and their anomalies A_i and Y_i. The filter
// is asked for the analysis of the prior with what this function predicts of its members, and all of
// the likelihood. For an ensemble Kalman filter that is a step of Gauss-Newton, to the maximum of the
// posterior density, with the slope averaged over members that are spread like the posterior
// (ensemble randomized maximum likelihood: Raanes, Stordal and Evensen 2019,
// doi:10.5194/npg-26-325-2019). A start that is worse than the one before is not kept: the next
// run begins halfway between the two.

const (
	// settled is the step, in standard deviations of the posterior, after which another one is not
	// worth a run: passes that plume chooses end with it.
	settled = 0.1
	// slack is by how much the cost may rise, in units of the log-likelihood: less does not matter.
	slack = 0.1
)

// accepted is the best start so far, in the coordinates of filters.
type accepted struct {
	Members []float64
	Numbers []int // of the members; see [Ensemble]
	Cost    float64
}

// newton takes a step of Gauss-Newton from the last run or, where that is worse than the one before
// it, half of the last step back.
func (w *whole) newton(ctx context.Context, last *Step) error {
	a, start, rule := w.assimilation, w.points[0], w.passes()
	end := w.Passes+1 == rule.most
	prior, here := w.coordinates(w.left(w.drawn, nil)), w.coordinates(start.members)
	cost, err := w.cost(prior, here)
	if err != nil {
		return err
	}
	if w.Accepted != nil && !(cost <= w.Accepted.Cost+slack) {
		w.halve(here, end)
		return nil
	}
	w.Accepted = &accepted{here.RawMatrix().Data, w.numbers, cost}
	parts, err := w.linear(prior, here)
	if err != nil {
		return err
	}
	analysis, err := a.ask(ctx, last, Ensemble{Members: w.left(w.drawn, nil), Numbers: w.numbers}, a.next.members, parts, a.call("analyse", last.Cycle).Seed, true, along{})
	if err != nil {
		return err
	}
	start.members, a.next.members, a.logWeights = a.next.members, start.members, analysis.LogWeights
	moved := stepLength(here, w.coordinates(start.members))
	w.Metrics = with(analysis.Metrics, map[string]float64{"window_step": moved})
	if end || rule.auto && moved < settled {
		w.Rest = 0
	}
	return nil
}

// halve makes the start that of the middle between here and the best one or, at the end, the best
// one itself.
func (w *whole) halve(here *mat.Dense, end bool) {
	best, start := w.Accepted, w.points[0].members
	_, n := here.Dims()
	start.Copy(w.left(mat.NewDense(len(best.Members)/n, n, best.Members), best.Numbers))
	if end {
		w.Rest = 0
	} else {
		start.Add(start, here)
		start.Scale(0.5, start)
	}
	w.plan.Values(start)
}

// left returns the rows of the members that have not left the trial of a matrix in which members have
// these numbers.
func (w *whole) left(of *mat.Dense, numbers []int) *mat.Dense {
	rows, _ := w.points[0].members.Dims()
	size, _ := of.Dims()
	if rows == size {
		return of
	}
	return rowsOf(of, w.staying(size, numbers))
}

// coordinates returns a copy of members in the coordinates of filters.
func (w *whole) coordinates(members *mat.Dense) *mat.Dense {
	c := mat.DenseCopyOf(members)
	w.plan.Coordinates(c)
	return c
}

// cost returns the mean over the members of minus the logarithm of the posterior density, up to a
// constant: that of the mean alone would say little of members that are far from each other.
func (w *whole) cost(prior, here *mat.Dense) (float64, error) {
	g, err := combinations(here, prior)
	if err != nil {
		return 0, err
	}
	phi, _ := w.misfits(w.parts, true)
	size, sum := float64(len(phi)), 0.0
	for i, v := range phi {
		sum += v
		for _, v := range g.RawRowView(i) {
			d := v - 1/size
			sum += (size - 1) * d * d / 2
		}
	}
	return sum / size, nil
}

// linear returns the observations with what the linear model predicts for prior.
func (w *whole) linear(prior, here *mat.Dense) ([]part, error) {
	g, err := combinations(prior, here)
	if err != nil {
		return nil, err
	}
	parts := make([]part, len(w.parts))
	for i, p := range w.parts {
		predicted := new(mat.Dense)
		predicted.Mul(g, p.look.Predicted)
		parts[i] = part{&point{cycle: p.cycle, states: states{members: p.members}, y: p.y, variance: p.variance, look: sdk.ObserveRequest{Predicted: predicted}}, 1}
	}
	return parts, nil
}

// combinations returns the matrix G, whose rows sum to 1, for which G from is nearest to to, each column in
// units of its spread in from:
//
//	G = (to - mean) A⁺ + 1/N,   A = from - mean.
//
// If there are more values than members, the G with the smallest squares is one of several.
func combinations(to, from *mat.Dense) (*mat.Dense, error) {
	rows, n := from.Dims()
	mean := ensemble.Mean(nil, from, nil)
	scale := ensemble.Variance(nil, from, mean, nil)
	for j, v := range scale {
		if scale[j] = 0; v > 0 {
			scale[j] = 1 / math.Sqrt(v)
		}
	}
	scaled := func(e *mat.Dense) *mat.Dense {
		d := ensemble.Anomalies(nil, e, mean)
		d.Apply(func(_, j int, v float64) float64 { return v * scale[j] }, d)
		return d
	}
	var svd mat.SVD
	if !svd.Factorize(scaled(from), mat.SVDThin) {
		return nil, sdk.Errorf(sdk.KindDiverged, "window", "the anomalies of %d members of %d values have no singular value decomposition", rows, n)
	}
	var u, v, coefficients, g mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	coefficients.Mul(scaled(to), &v)
	values := svd.Values(nil)
	for k, s := range values {
		column := coefficients.ColView(k).(*mat.VecDense)
		if s <= rounding*values[0] {
			column.Zero()
			continue
		}
		column.ScaleVec(1/s, column)
	}
	g.Mul(&coefficients, u.T())
	g.Apply(func(_, _ int, v float64) float64 { return v + 1/float64(rows) }, &g)
	return &g, nil
}

// rounding is a singular value, relative to the largest one, that is not told from 0: that of the
// direction of the mean, in which anomalies have no length, and of values that are functions of others.
const rounding = 1e-10

// stepLength returns how far the mean of to is from that of from, in standard deviations of to: the root
// mean square over the values that have any.
func stepLength(from, to *mat.Dense) float64 {
	mean, before := ensemble.Mean(nil, to, nil), ensemble.Mean(nil, from, nil)
	sum, n := 0.0, 0.0
	for j, v := range ensemble.Variance(nil, to, mean, nil) {
		if v > 0 {
			sum += (mean[j] - before[j]) * (mean[j] - before[j]) / v
			n++
		}
	}
	return math.Sqrt(sum / max(1, n))
}
