package cycle

import (
	"context"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
)

// surviving takes a step. If members or filter leave the range in which they can be computed,
// and the plan says so, the step says why, and its forecast and its analysis are new
// members, which have not seen the observations. What the filter carried over, and a window, is
// forgotten. The reference is never restarted.
func (a *assimilation) surviving(ctx context.Context, k int) (*Step, error) {
	s, err := a.step(ctx, k)
	if err == nil || sdk.KindOf(err) != sdk.KindDiverged || a.plan.Restart == plan.Never || a.trial == a.plan.Reference {
		return s, err
	}
	past := &Step{Cycle: k, Past: detached(a.held(k))}
	a.forget(past)
	a.redraw(k)
	s = &Step{Cycle: k, Time: a.plan.Clock.Time(k), Observation: a.scenario.Observation(k), Past: past.Past, Diverged: err, of: a}
	s.Forecast, s.Analysis = a.at(a.last()), a.at(a.last())
	a.settle(s)
	return s, a.holdOut(ctx, s)
}

// redraw replaces the window by a single time, that of cycle k, with members drawn as at the
// start or, for the values that the model moves, from the states of the truth in time. Those that
// have left the trial do not come back. Their noise is that of the last forecast; the model keeps
// nothing of members before them.
// Random streams: branch "restart" of the assimilation's, by cycle.
func (a *assimilation) redraw(k int) {
	p, seed, last := a.plan, a.seed.Child("restart", k), a.last()
	if last.cycle != k { // the forecast has failed
		last.noise, a.next.noise = a.next.noise, last.noise
	}
	a.points = []*point{last.reset(k)}
	a.start(last.members, seed)
	a.logWeights, a.carry, a.next.carries, a.record = nil, nil, nil, record{}
	if p.Restart != plan.FromClimatology {
		return
	}
	_, moved := p.Modelled()
	for i := range last.members.RawMatrix().Rows {
		at := 1 + seed.Child("climatology", 0).Member(a.at(last).Number(i)).IntN(p.Clock.Cycles)
		copy(last.members.RawRowView(i)[:moved], a.scenario.At(at))
	}
}
