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
	"github.com/plume-da/plume/sdk/pace"
	"gonum.org/v1/gonum/mat"
)

// Scenario is a true trajectory and its observations or, without a truth, real
// observations.
type Scenario struct {
	Init         []float64            // the truth before its spin-up, n values
	Truth        *mat.Dense           // (cycles+1) x n; row k is the truth at cycle k, row 0 at the start; nil: in Stored, or not known
	Observations *mat.Dense           // cycles x m; row k-1 belongs to cycle k; nil if they are in Stored or Record
	Stored       Stored               // nil: truth and observations are in memory
	Record       *observations.Record // nil: observations are those of the truth
}

// Stored is a truth with its observations that is not in memory. What cannot be read is NaN; Err
// then says why, and nothing that follows from those values may be used. Vectors must not be modified.
// It is safe for concurrent use.
type Stored interface {
	Truth(cycle int) []float64              // n values
	Observation(cycle int) []float64        // m values; cycles are numbered from 1
	TruthColumns(first, end int) *mat.Dense // values [first, end) of all cycles, (cycles+1) x (end-first)
	Err() error                             // the first one; nil: all has been read
	Close() error
}

// Observation returns y of a cycle, from 1. It must not be modified.
func (t *Scenario) Observation(cycle int) []float64 {
	switch {
	case t.Record != nil:
		return t.Record.Observation(cycle)
	case t.Stored != nil:
		return t.Stored.Observation(cycle)
	}
	return t.Observations.RawRowView(cycle - 1)
}

// Known reports whether the truth is known.
func (t *Scenario) Known() bool { return t.Truth != nil || t.Stored != nil }

// At returns the truth at a cycle, from 0, n values; nil if it is not known. It must not be
// modified.
func (t *Scenario) At(cycle int) []float64 {
	switch {
	case t.Stored != nil:
		return t.Stored.Truth(cycle)
	case t.Truth != nil:
		return t.Truth.RawRowView(cycle)
	}
	return nil
}

// Columns returns values [first, end) of the truth, which is known, at all cycles from 0,
// (cycles+1) x (end-first). It must not be modified.
func (t *Scenario) Columns(first, end int) *mat.Dense {
	if t.Stored != nil {
		return t.Stored.TruthColumns(first, end)
	}
	rows, _ := t.Truth.Dims()
	return t.Truth.Slice(0, rows, first, end).(*mat.Dense)
}

// Err returns why a part of the scenario could not be read; nil if all could be.
func (t *Scenario) Err() error {
	if t.Stored == nil {
		return nil
	}
	return t.Stored.Err()
}

// Close closes the files of the scenario.
func (t *Scenario) Close() error {
	if t.Stored == nil {
		return nil
	}
	return t.Stored.Close()
}

// Simulate integrates the truth over all cycles of p and observes it after each. If p has
// real observations it returns those. done is called after every cycle; its error stops
// the simulation. Random streams: branch "truth" of p.Seed.
func Simulate(ctx context.Context, p *plan.Plan, done func() error) (*Scenario, error) {
	if p.Record != nil {
		return &Scenario{Record: p.Record}, nil
	}
	cycles := p.Clock.Cycles
	t := &Scenario{Init: Init(p), Truth: mat.NewDense(cycles+1, p.State.Size(), nil), Observations: mat.NewDense(cycles, p.Space.Layout.Size(), nil)}
	return t, Trajectory(ctx, p, func(cycle int, truth, y []float64) error {
		t.Truth.SetRow(cycle, truth)
		if cycle == 0 {
			return nil
		}
		t.Observations.SetRow(cycle-1, y)
		return done()
	})
}

// Init returns the truth before its spin-up.
func Init(p *plan.Plan) []float64 {
	init := make([]float64, p.State.Size())
	p.Truth.Init.Into(init, 0, nil, nil, p.Seed.Child("truth", 0).Child("init", 0).Rand())
	return init
}

// Trajectory is [Simulate] without memory for all cycles: each is called with the truth of every
// cycle, from 0, and its observations; both are valid only during the call, and there are no
// observations in cycle 0. Its error stops the simulation.
func Trajectory(ctx context.Context, p *plan.Plan, each func(cycle int, truth, y []float64) error) error {
	n, seed := p.State.Size(), p.Seed.Child("truth", 0)
	state := mat.NewDense(1, n, Init(p))
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
			return err
		}
	}
	if err := each(0, state.RawRowView(0), nil); err != nil {
		return err
	}
	arriving, y := observations.NewFallible(p.Streams), make([]float64, p.Space.Layout.Size())
	steps := pace.StartSteps()
	for k := 1; k <= p.Clock.Cycles; k++ {
		if err := forecast(k, p.Clock.Time(k-1), p.Clock.Time(k)); err != nil {
			return err
		}
		clear(y)
		r := &sdk.ObserveRequest{
			Call: sdk.Call{Cycle: k, Seed: seed.Child("observe", k)}, Time: p.Clock.Time(k),
			Ensemble: state, Simulated: mat.NewDense(1, len(y), y),
		}
		if _, err := p.Truth.Operator.Observe(ctx, r); err != nil {
			return fmt.Errorf("truth: %w", err)
		}
		arriving.Next(seed, k, y)
		if err := each(k, state.RawRowView(0), y); err != nil {
			return err
		}
		steps.Ended()
	}
	return nil
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
