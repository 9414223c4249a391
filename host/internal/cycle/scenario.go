// Package cycle runs the assimilation cycle, forecast, observe, analyse, over
// the roles of package sdk. It knows no processes, no files and no workflow
// text, and holds no state between runs: the same plan gives the same numbers.
package cycle

import (
	"context"
	"fmt"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// Scenario is a true trajectory and its observations or, without a truth, real
// observations.
type Scenario struct {
	Init         []float64            // the truth before its spin-up, n values
	Truth        *mat.Dense           // (cycles+1) x n; row k is the truth at cycle k, row 0 at the start; nil: not known
	Observations *mat.Dense           // cycles x m; row k-1 belongs to cycle k; nil if they are in Record
	Record       *observations.Record // nil: observations are those of the truth
}

// Observation returns y of a cycle, from 1. It must not be modified.
func (t *Scenario) Observation(cycle int) []float64 {
	if t.Record != nil {
		return t.Record.Observation(cycle)
	}
	return t.Observations.RawRowView(cycle - 1)
}

// At returns the truth at a cycle, from 0, n values; nil if it is not known.
func (t *Scenario) At(cycle int) []float64 {
	if t.Truth == nil {
		return nil
	}
	return t.Truth.RawRowView(cycle)
}

// Simulate integrates the truth over all cycles of p and observes it after each. If p has
// real observations it returns those. done is called after every cycle; its error stops
// the simulation. Random streams: branch "truth" of p.Seed.
func Simulate(ctx context.Context, p *plan.Plan, done func() error) (*Scenario, error) {
	if p.Record != nil {
		return &Scenario{Record: p.Record}, nil
	}
	n, m, cycles := p.State.Size(), p.Space.Layout.Size(), p.Clock.Cycles
	t := &Scenario{Init: make([]float64, n), Truth: mat.NewDense(cycles+1, n, nil), Observations: mat.NewDense(cycles, m, nil)}
	seed := p.Seed.Child("truth", 0)
	p.Truth.Init.Into(t.Init, 0, nil, nil, seed.Child("init", 0).Rand())

	state := mat.NewDense(1, n, append([]float64(nil), t.Init...))
	next, last := mat.NewDense(1, n, nil), p.Truth.Noise.Memory(1)
	var carry [][]byte // what the model keeps
	forecast := func(cycle int, from, to float64) error {
		r := &sdk.ForecastRequest{
			Call: sdk.Call{Cycle: cycle, Seed: seed.Child("forecast", cycle)},
			From: from, To: to, Ensemble: state, Into: next, Carry: carry,
		}
		res, err := forecast(ctx, p.Truth, last, r)
		if err != nil {
			return fmt.Errorf("truth: %w", err)
		}
		carry = res.Carry
		state, next = next, state
		return nil
	}
	if p.Truth.SpinUp > 0 {
		if err := forecast(0, p.Clock.Start-p.Truth.SpinUp, p.Clock.Start); err != nil {
			return nil, err
		}
	}
	t.Truth.SetRow(0, state.RawRowView(0))
	arriving := observations.NewFallible(p.Streams)
	for k := 1; k <= cycles; k++ {
		if err := forecast(k, p.Clock.Time(k-1), p.Clock.Time(k)); err != nil {
			return nil, err
		}
		t.Truth.SetRow(k, state.RawRowView(0))
		r := &sdk.ObserveRequest{
			Call: sdk.Call{Cycle: k, Seed: seed.Child("observe", k)}, Time: p.Clock.Time(k),
			Ensemble: state, Simulated: mat.NewDense(1, m, t.Observation(k)),
		}
		if _, err := p.Truth.Operator.Observe(ctx, r); err != nil {
			return nil, fmt.Errorf("truth: %w", err)
		}
		arriving.Next(seed, k, t.Observation(k))
		if err := done(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// integrate calls model, unless the time of the forecast is that of the ensemble, and adds noise,
// see [plan.Noise.Add].
func integrate(ctx context.Context, model sdk.Model, noise *plan.Noise, last, shocks *mat.Dense, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	if r.From == r.To {
		r.Into.Copy(r.Ensemble)
		return &sdk.ForecastResult{Carry: r.Carry}, nil
	}
	res, err := model.Forecast(ctx, r)
	if err == nil && noise != nil {
		noise.Add(r, res.Failures, last, shocks)
	}
	return res, err
}

// forecast integrates the truth and turns failed members into an error.
func forecast(ctx context.Context, of plan.Truth, last *mat.Dense, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := integrate(ctx, of.Model, of.Noise, last, nil, r)
	if err == nil && len(res.Failures) > 0 {
		err = failed(r.Call, r.Ensemble.RawMatrix().Rows, res.Failures, "", "")
	}
	return res, err
}
