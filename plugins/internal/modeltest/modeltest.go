// Package modeltest is what the tests of models share.
package modeltest

import (
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// New returns the model of a plugin.
func New(t testing.TB, plugin func() (*sdk.Plugin, error), step float64, params map[string]any) sdk.Model {
	t.Helper()
	p, err := plugin()
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.NewModel(t.Context(), sdk.ModelConfig{Params: params, Step: step})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Forecast returns the forecast of m from a state at time 0 to a time.
func Forecast(t testing.TB, m sdk.Model, to float64, state []float64) []float64 {
	t.Helper()
	return Forecasts(t, m, to, state).RawRowView(0)
}

// Forecasts does the same for several states, one row each.
func Forecasts(t testing.TB, m sdk.Model, to float64, states ...[]float64) *mat.Dense {
	t.Helper()
	n := len(states[0])
	r := &sdk.ForecastRequest{Call: sdk.Call{Seed: rng.New(1)}, To: to, Ensemble: mat.NewDense(len(states), n, nil), Into: mat.NewDense(len(states), n, nil)}
	for i, x := range states {
		r.Ensemble.SetRow(i, x)
	}
	if res, err := m.Forecast(t.Context(), r); err != nil || len(res.Failures) > 0 {
		t.Fatal(res, err)
	}
	return r.Into
}

// Benchmark measures forecasts of members with the same state, from time 0 to a time.
func Benchmark(b *testing.B, m sdk.Model, to float64, members int, state []float64) {
	n := len(state)
	r := &sdk.ForecastRequest{To: to, Ensemble: mat.NewDense(members, n, nil), Into: mat.NewDense(members, n, nil)}
	for i := range members {
		r.Ensemble.SetRow(i, state)
	}
	b.SetBytes(int64(8 * members * n))
	for b.Loop() {
		if _, err := m.Forecast(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
