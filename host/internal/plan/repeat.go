package plan

import (
	"context"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// repeated makes an operator that predicts out of one that only simulates: a black box.
// It asks for K simulated observations y_ir of each member; package cycle learns from them what to expect. Their mean over r is the
// prediction, and
//
//	R (1 - 1/K),   R = 1/N sum_i 1/(K - 1) sum_r (y_ir - mean)²
//
// is the error variance. R estimates the variance of the error. The means scatter by R/K
// around the predictions without error, so the two parts together are R: innovations
// have the right variance, and gains the right expectation. Source: docs/decisions/0056-black-boxes-that-are-read-again.md.
//
// Random streams: branch ("repeat", r) of the call's seed, and the call's own seed for
// the first draw. Cost: K calls of the operator.
type repeated struct {
	sdk.ObservationOperator
	times int // K, at least 1
	space *sdk.ObservationSpace
}

func newRepeated(op sdk.ObservationOperator, times int) *repeated {
	return &repeated{op, times, offering(op.Space(), sdk.Simulated, sdk.Predicted, sdk.ErrorVariance)}
}

// offering returns a space with other offers, and with positions if it has them.
func offering(of *sdk.ObservationSpace, offers ...sdk.Capability) *sdk.ObservationSpace {
	space := *of
	space.Offers = offers
	if slices.Contains(of.Offers, sdk.HasPositions) {
		space.Offers = append(space.Offers, sdk.HasPositions)
	}
	return &space
}

// Space implements sdk.ObservationOperator. Densities of a black box are not known.
func (o *repeated) Space() *sdk.ObservationSpace { return o.space }

// Observe implements sdk.ObservationOperator.
func (o *repeated) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	if r.Predicted == nil {
		return o.ObservationOperator.Observe(ctx, r)
	}
	rows, m := r.Predicted.Dims()
	inner := *r
	inner.Predicted = nil
	if inner.Simulated == nil {
		inner.Simulated = mat.NewDense(rows, m, nil)
	}
	first := inner.Simulated
	squares, result := make([]float64, m), (*sdk.ObserveResult)(nil)
	for k := range o.times {
		if k > 0 {
			inner.Seed = r.Seed.Child("repeat", k)
		}
		if k == 1 {
			inner.Simulated = mat.NewDense(rows, m, nil)
		}
		var err error
		if result, err = o.ObservationOperator.Observe(ctx, &inner); err != nil {
			return nil, err
		}
		if k == 0 {
			r.Predicted.Copy(first)
			continue
		}
		addDraw(r.Predicted, squares, inner.Simulated, k+1)
	}
	for j := range squares {
		squares[j] /= float64(rows * o.times)
	}
	result.ErrorVariance = squares
	return result, nil
}

// addDraw adds the draw number k, from 2, to the means of the draws of each member, and to the
// sums over members of squared deviations from them (Welford 1962,
// doi:10.1080/00401706.1962.10490022).
func addDraw(mean *mat.Dense, squares []float64, draw *mat.Dense, k int) {
	rows, _ := mean.Dims()
	for i := range rows {
		of := mean.RawRowView(i)
		for j, y := range draw.RawRowView(i) {
			d := y - of[j]
			of[j] += d / float64(k)
			squares[j] += d * (y - of[j])
		}
	}
}

// Learns reports whether the predictions of a stream come from all readings of its operator, not only from those of
// the states in question.
func (p *Plan) Learns(stream int) bool {
	s := &p.Streams[stream]
	return s.Draws > 0 && learnable(p.State.Size(), s.Operator.Space().Layout.Size())
}

// Readings is the number of readings of a stream that are remembered, if an ensemble does not have more.
const Readings = 400

// mostLearnt is the largest number of pairs of a value of the state and a component of which is learnt
// how one depends on the other: a matter of seconds in each cycle.
const mostLearnt = 1_000_000

func learnable(n, m int) bool { return float64(n)*float64(m) <= mostLearnt }
