package cycle

import (
	"context"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
)

// surviving takes a step. If members or filter leave the range in which they can be computed,
// and the plan says so, the step says why, and its forecast and its analysis are new
// members, which have not seen the observations. What the filter carried over is forgotten. The
// reference is never restarted.
func (a *assimilation) surviving(ctx context.Context, k int) (*Step, error) {
	s, err := a.step(ctx, k)
	if err == nil || sdk.KindOf(err) != sdk.KindDiverged || a.plan.Restart == plan.Never || a.trial == a.plan.Reference {
		return s, err
	}
	s = &Step{Cycle: k, Time: a.plan.Clock.Time(k), Observation: a.scenario.Observation(k), Diverged: err, errors: a.errors}
	a.redraw(k)
	s.Forecast = Ensemble{Members: a.ahead}
	a.keep(s)
	return s, a.holdOut(ctx, s)
}

// redraw replaces the forecast of a cycle by members drawn as at the start or, for the values
// that the model moves, from the states of the truth in time.
// Random streams: branch "restart" of the assimilation's, by cycle.
func (a *assimilation) redraw(k int) {
	p, seed := a.plan, a.seed.Child("restart", k)
	a.start(a.ahead, seed)
	a.state.LogWeights, a.carry = nil, nil
	if p.Restart != plan.FromClimatology {
		return
	}
	moved := p.State.Size() - p.Parameters
	for i := range a.trial.Size {
		at := 1 + seed.Child("climatology", 0).Member(i).IntN(p.Clock.Cycles)
		copy(a.ahead.RawRowView(i)[:moved], a.scenario.At(at))
	}
}
