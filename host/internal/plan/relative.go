package plan

import (
	"context"
	"math"

	"github.com/plume-da/plume/sdk"
)

// relative is an operator with normal errors whose standard deviation is a fraction of the
// predicted value, which may be 0, but at least that of the operator:
//
//	y = h(x) + s(x) e,   s(x) = max(sd, fraction |h(x)|)
//
// Simulated observations and log-likelihoods of a member have the s of that member. The error
// variance is the mean of s² over the members, so that it and the variance of the predictions
// together are the variance of y. See docs/decisions/0085-relative-errors.md.
//
// It does not offer a gradient. Random streams: branch "relative" of a request's seed, by member.
type relative struct {
	sdk.ObservationOperator
	fraction float64
	space    *sdk.ObservationSpace
}

// newRelative returns op with relative errors. It must offer predictions and error variances.
func newRelative(op sdk.ObservationOperator, fraction float64) *relative {
	return &relative{op, fraction, offering(op.Space(), sdk.Predicted, sdk.Simulated, sdk.LogLikelihood, sdk.ErrorVariance)}
}

// Space implements sdk.ObservationOperator.
func (o *relative) Space() *sdk.ObservationSpace { return o.space }

// Observe implements sdk.ObservationOperator.
func (o *relative) Observe(ctx context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	predicted, result, err := predict(ctx, o.ObservationOperator, r)
	if err != nil {
		return nil, err
	}
	rows, _ := predicted.Dims()
	floor := result.ErrorVariance
	result.ErrorVariance = make([]float64, len(floor))
	seed := r.Seed.Child("relative", 0)
	for i := range rows {
		stream := seed.Member(r.Member(i))
		for j, h := range predicted.RawRowView(i) {
			s := max(math.Sqrt(floor[j]), o.fraction*math.Abs(h))
			result.ErrorVariance[j] += s * s / float64(rows)
			if r.Simulated != nil {
				r.Simulated.Set(i, j, h+s*stream.NormFloat64())
			}
			if r.LogLikelihood != nil {
				r.LogLikelihood.Set(i, j, logNormal(r.Observation[j]-h, s))
			}
		}
	}
	return result, nil
}

// logNormal returns the log-density of a normal error with standard deviation sd; 0 if it is
// missing.
func logNormal(e, sd float64) float64 {
	if math.IsNaN(e) {
		return 0
	}
	z := e / sd
	return -z*z/2 - math.Log(sd) - math.Log(2*math.Pi)/2
}
