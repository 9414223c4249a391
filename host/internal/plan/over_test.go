package plan

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// failing is a model whose members fail below 0, and an operator that observes the outflow and refuses what is not
// a number, as operators of plugins do.
type failing struct {
	sdk.ObservationOperator
	observed int // calls
}

func (f *failing) Layout() *sdk.Layout { return gauged }

func (f *failing) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res := &sdk.ForecastResult{}
	for i := range r.Ensemble.RawMatrix().Rows {
		level := r.Ensemble.At(i, 0)
		if r.Into.SetRow(i, []float64{level, level, 10 * level, level}); level < 0 {
			r.Into.SetRow(i, slices.Repeat([]float64{math.NaN()}, 4))
			res.Failures = append(res.Failures, sdk.MemberFailure{Member: i})
		}
	}
	return res, nil
}

func (f *failing) Observe(_ context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	f.observed++
	for i := range r.Ensemble.RawMatrix().Rows {
		v := r.Ensemble.At(i, 2)
		if r.Predicted.Set(i, 0, v); math.IsNaN(v) {
			return nil, fmt.Errorf("member %d has no outflow", i)
		}
	}
	return &sdk.ObserveResult{}, nil
}

// The mean of a diagnostic is observed of the members that could be forecast. The others, whose former states have no
// diagnostics, do not keep them from it.
func TestMeansOfDiagnosticsWhereMembersFail(t *testing.T) {
	inner, nan := &failing{}, math.NaN()
	state := &sdk.Layout{Variables: slices.Concat(gauged.Variables, []sdk.Variable{{Name: "mean"}})}
	m := &remembering{fixed: fixed{inner, state}, clock: Clock{Interval: 1, Cycles: 2}, overs: []*over{{cycles: 2, mean: true, operator: inner, first: 4, size: 1}}}
	r := &sdk.ForecastRequest{From: 1, To: 2, Ensemble: mat.NewDense(3, 5, []float64{-1, 1, nan, 1, 5, 2, 1, nan, 1, 40, 3, 1, nan, 1, 50}), Into: mat.NewDense(3, 5, nil)}
	res, err := m.Forecast(t.Context(), r)
	if err != nil || len(res.Failures) != 1 || r.Into.At(1, 4) != 30 || r.Into.At(2, 4) != 40 {
		t.Fatalf("got %v, %v, %v", mat.Formatted(r.Into), res, err)
	}
	r.Ensemble = mat.NewDense(3, 5, slices.Repeat([]float64{-1, 1, nan, 1, 5}, 3))
	if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) != 3 || inner.observed != 1 {
		t.Errorf("where all members fail: got %v, %v, %d calls of the operator", res, err, inner.observed)
	}
}
