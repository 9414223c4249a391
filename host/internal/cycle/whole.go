package cycle

import (
	"context"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// whole is the assimilation of the whole record at once. The model runs over all cycles, from
// the prior; the filter moves the states and parameters at the start, given the predictions of
// all observations and a fraction of their likelihood; the model runs again from there, and so
// on until the fractions sum to 1. The last run is the analysis of every cycle (ES-MDA: Emerick
// and Reynolds 2013, doi:10.1016/j.cageo.2012.03.011; without a state, ensemble Kalman
// inversion: Iglesias, Law and Stuart 2013, doi:10.1088/0266-5611/29/4/045001).
//
// The states of the first run are kept, because they are the forecasts; of the others only the
// predictions are. A trial that is continued makes the first run again, and the one that was
// under way.
type whole struct {
	*assimilation
	each  func(*Step) error
	given int // cycles that a former process has given out

	forecasts []*Step // of the run from the prior, by cycle
	parts     []part  // all observations, with the predictions of the last run
	spent     []Timing
	begun     State      // what the present run begins with
	drawn     *mat.Dense // the members of the start, those included that have left; only for Gauss-Newton
	Whole
}

// Whole is what a trial over the whole record remembers in addition to the members at the start.
type Whole struct {
	Passes    int       // calls of the filter so far
	Rest      float64   // of the likelihood; with Gauss-Newton 1 until the last pass, though each of them takes all of it
	Accepted  *accepted // with Gauss-Newton: the best start so far
	Ancestors []int     // rows of the prior that those of the start descend from; nil if the filter moves its members
	Metrics   map[string]float64
	Dropped   [][]sdk.MemberFailure // by cycle, in all runs
}

// Pass is what a run of the model over the whole record has shown.
type Pass struct {
	Number int      // of calls of the filter before it; 0: the run from the prior
	Rest   float64  // of the likelihood that they have not assimilated
	Start  Ensemble // at the start of the run
	Values int      // of observations that are not missing
	// Misfit is for each member the mean square of the residuals of all observations, which
	// are independent and have variance 1 if they are errors alone; nil if it is not known.
	Misfit []float64
}

// assimilateWhole is [Assimilate] with a window that is the whole record.
func (a *assimilation) assimilateWhole(ctx context.Context, from *State, each func(*Step) error) error {
	cycles := a.plan.Clock.Cycles
	w := &whole{assimilation: a, each: each, given: from.Completed(), spent: make([]Timing, cycles)}
	w.Rest, w.Dropped = 1, make([][]sdk.MemberFailure, cycles)
	a.whole = w
	if a.trial.Window.GaussNewton {
		w.drawn = mat.DenseCopyOf(a.points[0].members)
	}
	w.begin()
	if from != nil {
		w.begun = *from
	}
	if err := w.prior(ctx, from == nil || from.Whole.Passes == 0); err != nil {
		return err
	}
	if from != nil && from.Whole.Passes > 0 {
		if err := w.goOn(ctx, from); err != nil {
			return err
		}
	} else if err := w.pass(ctx); err != nil {
		return err
	}
	for w.Rest > 0 {
		if err := w.again(ctx); err != nil {
			return err
		}
		if err := w.pass(ctx); err != nil {
			return err
		}
	}
	return w.last(ctx)
}

// begin remembers what the run that begins begins with.
func (w *whole) begin() {
	now, remembered := w.remember(0), w.Whole
	remembered.Dropped = slices.Clone(w.Dropped)
	w.begun = State{Members: now.Members, LogWeights: w.logWeights, Numbers: w.numbers, Carry: w.carry, Noise: now.Noise, Whole: &remembered}
}

// goOn sets w, which has made the run from the prior, to the state from.
func (w *whole) goOn(ctx context.Context, from *State) error {
	a := w.assimilation
	w.Whole = *from.Whole
	w.Dropped = slices.Clone(from.Whole.Dropped)
	if err := a.goOn(ctx, &State{Members: from.Members, LogWeights: from.LogWeights, Numbers: from.Numbers, Carry: from.Carry, Errors: a.errors, Noise: from.Noise}); err != nil {
		return err
	}
	w.renew()
	return nil
}

// step returns the step of a cycle in a run.
func (w *whole) step(k int) *Step {
	return &Step{Cycle: k, Time: w.plan.Clock.Time(k), Again: true, of: w.assimilation}
}

// tell gives out a cycle of a run that others follow.
func (w *whole) tell(s *Step) error {
	w.count(s)
	s.Analysis = w.at(w.points[len(w.points)-1])
	return w.each(s)
}

// count takes the time of s and the members that it has lost.
func (w *whole) count(s *Step) {
	spent := &w.spent[s.Cycle-1]
	spent.Forecast, spent.Observe, spent.Analyse = spent.Forecast+s.Timing.Forecast, spent.Observe+s.Timing.Observe, spent.Analyse+s.Timing.Analyse
	w.Dropped[s.Cycle-1] = append(slices.Clip(w.Dropped[s.Cycle-1]), s.Dropped...)
}

// prior makes the run from the prior, in which observations are checked.
func (w *whole) prior(ctx context.Context, first bool) error {
	a := w.assimilation
	var s *Step
	for k := 1; k <= a.plan.Clock.Cycles; k++ {
		s = w.step(k)
		if err := a.run(ctx, s, a.last(), k, &a.next); err != nil {
			return err
		}
		next := &point{cycle: k}
		a.fit(next)
		a.take(next)
		a.points = append(a.points, next)
		s.Forecast = a.at(next)
		if err := a.meet(ctx, s); err != nil {
			return err
		}
		w.forecasts = append(w.forecasts, s)
		if k < a.plan.Clock.Cycles {
			if err := w.tell(s); err != nil {
				return err
			}
		}
	}
	for _, p := range a.points {
		if p.y != nil {
			w.parts = append(w.parts, part{p, 1})
		}
	}
	if err := a.look(ctx, s, w.parts); err != nil { // again where members have been dropped since
		return err
	}
	if first {
		s.Pass = w.seen()
	}
	err := w.tell(s)
	a.points = a.points[:1]
	return err
}

// seen returns what the last run has shown.
func (w *whole) seen() *Pass {
	p := &Pass{Number: w.Passes, Rest: w.Rest, Start: w.at(w.points[0])}
	if w.trial.Window.GaussNewton && w.Passes > 0 {
		p.Rest = 0
	}
	phi, values := w.misfits(w.parts, true)
	p.Values = values
	for _, v := range phi {
		p.Misfit = append(p.Misfit, 2*v/float64(values))
	}
	return p
}

// pass moves the start.
func (w *whole) pass(ctx context.Context) error {
	if len(w.parts) == 0 {
		w.Rest = 0
		return nil
	}
	last, move := w.step(w.plan.Clock.Cycles), w.assimilate
	if w.trial.Window.GaussNewton {
		move = w.newton
	}
	if err := move(ctx, last); err != nil {
		return err
	}
	w.count(last)
	if w.Passes++; w.Passes == 1 {
		w.renew()
	}
	w.begin()
	return nil
}

// assimilate asks the filter for a start that is better by a fraction of the likelihood.
func (w *whole) assimilate(ctx context.Context, last *Step) error {
	fraction := w.passes().next(w.assimilation, w.parts, w.Rest, w.Passes)
	last.Ancestors = w.Ancestors
	if err := w.assimilation.pass(ctx, last, w.points[0], scaled(w.parts, fraction), w.Passes, true); err != nil {
		return err
	}
	if w.Ancestors = last.Ancestors; w.Passes == 0 {
		w.Metrics = last.Metrics
	}
	if w.Rest -= fraction; w.Rest < 1e-9 {
		w.Rest = 0
	}
	return nil
}

// renew gives the observations predictions of their own: those of the run from the prior are
// kept.
func (w *whole) renew() {
	for i, p := range w.parts {
		w.parts[i].point = &point{cycle: p.cycle, y: p.y, variance: p.variance, left: 1}
		w.prepare(w.parts[i].point)
	}
}

// over runs the model over the record from the start, makes the predictions, and calls done
// with every cycle.
func (w *whole) over(ctx context.Context, done func(s *Step, now *point) error) error {
	a, start := w.assimilation, w.points[0]
	now := a.point(0)
	now.members.Copy(start.members)
	if now.noise != nil {
		now.noise.Copy(start.noise)
	}
	a.points = append(a.points[:1], now)
	seen := 0
	for k := 1; k <= a.plan.Clock.Cycles; k++ {
		s, before := w.step(k), a.at(start)
		now.cycle = k - 1
		if err := a.run(ctx, s, now, k, &a.next); err != nil {
			return err
		}
		if len(s.Dropped) > 0 {
			w.lose(before, seen)
		}
		a.take(now)
		now.cycle = k
		if seen < len(w.parts) && w.parts[seen].cycle == k {
			p := w.parts[seen].point
			p.members, p.looked = now.members, false
			if err := a.observe(ctx, s, p); err != nil {
				return err
			}
			p.members = start.members
			seen++
		}
		if err := done(s, now); err != nil {
			return err
		}
	}
	a.points, a.idle = a.points[:1], append(a.idle, now)
	return nil
}

// lose removes what the members that have just left, which are in before, have predicted in
// this run, of the first observations.
func (w *whole) lose(before Ensemble, seen int) {
	rows, _ := before.Members.Dims()
	kept := w.staying(rows, before.Numbers)
	w.Ancestors = itemsOf(w.Ancestors, kept)
	for i, p := range w.parts {
		p.members = w.points[0].members
		if i >= seen {
			w.prepare(p.point)
			continue
		}
		for _, m := range []**mat.Dense{&p.look.Predicted, &p.look.Simulated, &p.look.LogLikelihood} {
			if *m != nil {
				*m = rowsOf(*m, kept)
			}
		}
	}
}

// staying returns which of so many members with these numbers have not left the trial.
func (w *whole) staying(members int, numbers []int) []int {
	before, rows := Ensemble{Numbers: numbers}, make([]int, 0, members)
	for i := range members {
		if slices.Contains(w.numbers, before.Number(i)) {
			rows = append(rows, i)
		}
	}
	return rows
}

// again makes a run that another one follows.
func (w *whole) again(ctx context.Context) error {
	return w.over(ctx, func(s *Step, _ *point) error {
		if s.Cycle == w.plan.Clock.Cycles {
			s.Pass = w.seen()
		}
		return w.tell(s)
	})
}

// last makes the last run, whose states are the analyses.
func (w *whole) last(ctx context.Context) error {
	a := w.assimilation
	start, _ := w.forecasts[len(w.forecasts)-1].Forecast.Members.Dims()
	return w.over(ctx, func(s *Step, now *point) error {
		w.count(s)
		f := w.forecasts[s.Cycle-1]
		s.Again, s.Forecast, s.Analysis, s.Carry, s.Runs = false, f.Forecast, a.at(now), a.carry, w.Passes+1
		s.Observation, s.Predicted, s.ErrorVariance, s.Rejected = f.Observation, f.Predicted, f.ErrorVariance, f.Rejected
		s.Timing, s.Dropped = w.spent[s.Cycle-1], w.Dropped[s.Cycle-1]
		if rows, _ := s.Forecast.Members.Dims(); rows == start {
			s.Ancestors = w.Ancestors
		}
		if i := slices.IndexFunc(w.parts, func(p part) bool { return p.cycle == s.Cycle }); i >= 0 {
			s.Fitted = w.parts[i].look.Predicted
		}
		if s.Cycle == a.plan.Clock.Cycles {
			s.Pass = w.seen()
			s.Metrics = with(w.Metrics, map[string]float64{"window_passes": float64(w.Passes)})
		}
		a.errors.report(a.plan, s)
		if err := a.holdOut(ctx, s); err != nil || s.Cycle <= w.given {
			return err
		}
		return w.each(s)
	})
}

// state returns what the trial is continued from after s.
func (w *whole) state(s *Step) State {
	state := w.begun
	if !s.Again {
		state.Cycle = s.Cycle
	}
	return state
}
