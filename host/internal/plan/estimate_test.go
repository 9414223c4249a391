package plan

import (
	"context"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// growing adds its member's parameter to every value.
type growing struct{ still }

func (growing) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	rows, n := r.Ensemble.Dims()
	for i := range rows {
		for j := range n {
			r.Into.Set(i, j, r.Ensemble.At(i, j)+r.Parameters.At(i, 0))
		}
	}
	return &sdk.ForecastResult{}, nil
}

var rate = &sdk.Param{Name: "rate", Type: sdk.Float, Min: new(float64)}

func estimatingForecast(t *testing.T, walk float64, e *mat.Dense) (*mat.Dense, error) {
	t.Helper()
	m := &estimating{Model: growing{}, params: []*sdk.Param{rate}, walk: []float64{walk}}
	rows, n := e.Dims()
	r := &sdk.ForecastRequest{Call: sdk.Call{Cycle: 7, Seed: rng.New(1)}, To: 1, Ensemble: e, Into: mat.NewDense(rows, n, nil)}
	_, err := m.Forecast(t.Context(), r)
	return r.Into, err
}

func TestEstimating(t *testing.T) {
	e := mat.NewDense(2, 4, []float64{1, 2, 3, 0.5, 4, 5, 6, 0})
	got, err := estimatingForecast(t, 0, e)
	if want := mat.NewDense(2, 4, []float64{1.5, 2.5, 3.5, 0.5, 4, 5, 6, 0}); err != nil || !mat.Equal(got, want) {
		t.Errorf("got %v, %v", mat.Formatted(got), err)
	}
	got, err = estimatingForecast(t, 0.1, e)
	if err != nil || got.At(0, 3) == 0.5 || got.At(0, 3)-0.5 == got.At(1, 3) || got.At(0, 0) != 1.5 {
		t.Errorf("with a walk: got %v, %v", mat.Formatted(got), err)
	}
	e.Set(1, 3, -0.25)
	_, err = estimatingForecast(t, 0, e)
	if sdk.KindOf(err) != sdk.KindDiverged || !strings.Contains(err.Error(), "cycle 7: member 1: the estimate of rate has left its limits: got -0.25, want a number >= 0") {
		t.Errorf("outside its limits: got %v", err)
	}
}

// looking predicts the sum of what it sees, whose gradient is 1.
type looking struct{ sdk.ObservationOperator }

func (looking) Observe(_ context.Context, r *sdk.ObserveRequest) (*sdk.ObserveResult, error) {
	rows, n := r.Ensemble.Dims()
	for i := range rows {
		r.Predicted.Set(i, 0, mat.Sum(r.Ensemble.RowView(i)))
		for j := range n {
			r.Gradient.Set(i, j, 1)
		}
	}
	return &sdk.ObserveResult{}, nil
}

// An operator does not see parameters, and they have no gradient.
func TestBlind(t *testing.T) {
	r := &sdk.ObserveRequest{
		Ensemble:  mat.NewDense(2, 4, []float64{1, 2, 3, 100, 4, 5, 6, 100}),
		Predicted: mat.NewDense(2, 1, nil), Gradient: mat.NewDense(2, 4, []float64{9, 9, 9, 9, 9, 9, 9, 9}),
	}
	if _, err := (&blind{looking{}, 3}).Observe(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if !mat.Equal(r.Predicted, mat.NewDense(2, 1, []float64{6, 15})) || !mat.Equal(r.Gradient, mat.NewDense(2, 4, []float64{1, 1, 1, 0, 1, 1, 1, 0})) {
		t.Errorf("got %v and %v", mat.Formatted(r.Predicted), mat.Formatted(r.Gradient))
	}
}
