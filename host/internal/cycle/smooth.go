package cycle

import (
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// A trial that smooths gives the states of earlier times that many cycles of observations more than the filter.
// In the window these are the states that the model is run again from; those before its start are kept, and
// moved by the call that moves the start (a fixed-lag ensemble smoother: Evensen and van Leeuwen 2000,
// doi:10.1175/1520-0493(2000)128<1852:AEKSFN>2.0.CO;2). Without a window all of them are.

// Past is the states at an earlier time.
type Past struct {
	Ensemble
	Cycle int
	// Final says that later observations will not change them: they are as many cycles behind as the trial
	// smooths, or the trial ends or has begun again.
	Final bool
}

// moment is the states at a time.
type moment struct {
	cycle   int
	members *mat.Dense
}

// earliest returns the first cycle whose states cycle k still changes.
func (a *assimilation) earliest(k int) int { return max(1, k-a.trial.Smooth) }

// trim gives up the states that cycle k does not change any more.
func (a *assimilation) trim(k int) {
	for last := len(a.past) - 1; last >= 0 && a.past[last].cycle < a.earliest(k); last-- {
		a.side.idle = append(a.side.idle, a.past[last].members)
		a.past = a.past[:last]
	}
}

// leave keeps the states of p, the start of the window, that it leaves in cycle k, and gives it other memory.
func (a *assimilation) leave(p *point, k int) {
	if a.trial.Smooth == 0 || p.cycle < a.earliest(k) {
		return
	}
	members := p.members
	if n := len(a.side.idle); n > 0 {
		p.members, a.side.idle = a.side.idle[n-1], a.side.idle[:n-1]
	} else {
		p.members = mat.NewDense(members.RawMatrix().Rows, members.RawMatrix().Cols, nil)
	}
	a.past = slices.Insert(a.past, 0, moment{p.cycle, members})
}

// before returns the states at the times before cycle k that it changes, the latest first: those in the window and
// those before it.
func (a *assimilation) before(k int) (all []moment) {
	for _, p := range slices.Backward(a.points) {
		if p.cycle < k && p.cycle >= a.earliest(k) {
			all = append(all, moment{p.cycle, p.members})
		}
	}
	return append(all, a.past...)
}

// held returns them as they are kept.
func (a *assimilation) held(k int) (all []Past) {
	for _, m := range a.before(k) {
		all = append(all, Past{Ensemble: Ensemble{m.members, a.logWeights, a.numbers}, Cycle: m.cycle})
	}
	return all
}

// given returns those of moments as the last call of the filter has moved them.
func (a *assimilation) given(moments []moment, logWeights []float64) (all []Past) {
	for i, m := range moments {
		all = append(all, Past{Ensemble: Ensemble{a.side.moved[i], logWeights, a.numbers}, Cycle: m.cycle})
	}
	return all
}

// detached returns all with members of their own.
func detached(all []Past) []Past {
	for i := range all {
		all[i].Members = mat.DenseCopyOf(all[i].Members)
	}
	return all
}

// keepMoved makes what the last call of the filter has moved the states that are kept.
func (a *assimilation) keepMoved() {
	for i := range a.past {
		a.past[i].members, a.side.moved[i] = a.side.moved[i], a.past[i].members
	}
}

// forget ends smoothing of what is before s, whose members do not lead to those that the trial goes on with.
func (a *assimilation) forget(s *Step) {
	for i := range s.Past {
		s.Past[i].Final = true
	}
	a.past = nil
}

// settle says which of the past states of s are final. After the last cycle those of the analysis are, too.
func (a *assimilation) settle(s *Step) {
	if a.trial.Smooth == 0 {
		return
	}
	end := s.Cycle == a.plan.Clock.Cycles
	if end {
		s.Past = slices.Insert(s.Past, 0, Past{Ensemble: s.Analysis, Cycle: s.Cycle})
	}
	for i, p := range s.Past {
		s.Past[i].Final = p.Final || end || p.Cycle == s.Cycle-a.trial.Smooth
	}
}

// along is what a call of the filter moves in addition to the members: shocks of the forecasts that lead from them to the predictions,
// which are part of the state, and states of earlier times.
type along struct {
	shocks []*mat.Dense
	past   []moment
}

// shocksAfter returns those of the forecasts within the window; none from another time than its start.
func (a *assimilation) shocksAfter(start *point) (all []*mat.Dense) {
	for _, p := range a.points[1:] {
		if p.shocks != nil && start == a.points[0] {
			all = append(all, p.shocks)
		}
	}
	return all
}

// side is memory for states and shocks of several times side by side.
type side struct {
	from, into *mat.Dense
	moved      []*mat.Dense // the past ones of the last answer
	idle       []*mat.Dense
}

// join gives p the shocks and the past states in addition to its own. Past states have as many values, those in the place of shocks 0.
func (j *side) join(p *sdk.Problem, with along) {
	rows, n := p.Ensemble.Dims()
	state := n
	for _, s := range with.shocks {
		state += s.RawMatrix().Cols
	}
	columns := state * (1 + len(with.past))
	if j.from == nil || j.from.RawMatrix().Cols != columns {
		j.from, j.into = mat.NewDense(rows, columns, nil), mat.NewDense(rows, columns, nil)
	}
	for i := range rows {
		row := append(j.from.RawRowView(i)[:0], p.Ensemble.RawRowView(i)...)
		for _, s := range with.shocks {
			row = append(row, s.RawRowView(i)...)
		}
		for _, m := range with.past {
			row = append(row, m.members.RawRowView(i)...)
			row = append(row, make([]float64, state-n)...)
		}
	}
	for len(j.moved) < len(with.past) {
		j.moved = append(j.moved, mat.NewDense(rows, n, nil))
	}
	p.Ensemble, p.Into = j.from, j.into
}

// part takes the answer to p apart.
func (j *side) part(p *sdk.Problem, into *mat.Dense, with along) {
	rows, n := into.Dims()
	state := p.Into.RawMatrix().Cols / (1 + len(with.past))
	for i := range rows {
		row := p.Into.RawRowView(i)
		at := copy(into.RawRowView(i), row)
		for _, s := range with.shocks {
			at += copy(s.RawRowView(i), row[at:])
		}
		for k := range with.past {
			copy(j.moved[k].RawRowView(i), row[(1+k)*state:][:n])
		}
	}
}
