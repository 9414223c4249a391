package cycle

import "context"

// A trial may make an analysis in every n-th cycle only. It then assimilates the observations of
// the cycles since the last one together, each as it is predicted by the states at its own time
// (asynchronous observations: Sakov, Evensen and Bertino 2010,
// doi:10.1111/j.1600-0870.2009.00417.x). The window holds these states, and does not run the
// model again.

// collects reports whether a makes an analysis in some cycles only.
func (a *assimilation) collects() bool { return a.trial.Every > 1 }

// kept returns how many times before cycle k stay in the window.
func (a *assimilation) kept(k int) int {
	if a.collects() {
		return (k - 1) % a.trial.Every
	}
	return a.record.length(a.trial.Window)
}

// collect makes the analysis of s in a cycle that has one. Otherwise it is the forecast.
func (a *assimilation) collect(ctx context.Context, s *Step) error {
	var parts []part
	for _, p := range a.points {
		if p.left > 0 {
			parts = append(parts, part{p, 1})
		}
	}
	last := a.last()
	s.Analysis = a.at(last)
	if s.Cycle%a.trial.Every > 0 || len(parts) == 0 {
		s.Past = a.held(s.Cycle)
		return nil
	}
	if err := a.look(ctx, s, parts); err != nil {
		return err
	}
	for _, p := range a.points[:a.lag()] {
		a.leave(p, s.Cycle)
	}
	if err := a.pass(ctx, s, last, parts, 0, true); err != nil {
		return err
	}
	a.idle = append(a.idle, a.points[:a.lag()]...)
	a.points = append(a.points[:0], last)
	last.looked, last.left = false, 0
	s.Analysis, s.Past = a.at(last), a.held(s.Cycle)
	a.errors.report(a.plan, s)
	return nil
}
