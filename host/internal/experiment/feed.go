package experiment

import (
	"context"
	"errors"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// Feed lets a run go on while rows are appended to its observations. A run of one trial then stays
// open: what has been assimilated is in its tables and not in memory. A run that cannot stay open,
// because it has several trials or one that looks back, calls no method.
type Feed interface {
	// Rows waits for more rows, as long as seems sensible, and returns how many bytes of each file
	// there are then; nil if there are no more.
	Rows(ctx context.Context) []int64
	// Described is called with the described values of every cycle of a trial, in its order.
	// Rows may still be added to a cycle that is not settled.
	Described(d Described)
}

// Described is what is known of the described values of a trial in a cycle.
type Described struct {
	Trial   archive.TrialID
	Cycle   int
	Time    float64
	Settled bool
	Values  []archive.Value
	Stages  []archive.Description
}

// ErrRewritten is the error of a run whose observations were changed while it was fed.
var ErrRewritten = errors.New("rows that had been read have changed in the file while the run went on")

// growth says how a trial grows while it runs.
type growth struct {
	fed   bool // the trial tells the feed of its cycles
	open  bool // more rows may come
	grown bool // since the trial was opened
}

// growthOf returns the growth of a trial, which is closed if the run cannot be fed.
func (e *engine) growthOf(j *job) *growth {
	t := e.Workflow.Time
	trials, _ := e.Sweep.Size()
	fed := e.Feed != nil && e.Bytes != nil && e.run.Info().Arrivals != nil && trials == 1 && j.plan.Reference == nil && j.trial.Window == nil && j.trial.Smooth == 0 && t.Cycles == 0 && t.Until == nil
	return &growth{fed: fed, open: fed}
}

// feed reads more rows, when all settled cycles of a trial have been run. It returns false if
// there are none.
func (e *engine) feed(ctx context.Context, j *job, g *growth, s *scorer, f *forecaster) (bool, error) {
	if !g.open {
		return false, nil
	}
	bytes := e.Feed.Rows(ctx)
	if bytes == nil {
		g.open = false
		return false, nil
	}
	if !g.grown {
		e.arrival = j.plan.Record.Arrival()
		if err := e.run.Reopened(archive.ScenarioWork(j.scenario.planned)); err != nil {
			return false, err
		}
	}
	if f != nil {
		f.lastObserved(s.Cycles) // the former observations will not be there any more
	}
	g.grown = true
	if g.open = e.Sweep.Grow(bytes) && wholeSteps(e.Workflow, j, s.Cycles); !g.open {
		return false, nil // they are for a run that is continued
	}
	e.Bytes, e.arrival = bytes, j.plan.Record.Arrival()
	s.leave()
	return true, nil
}

// wholeSteps reports whether the times between the cycles after one are whole numbers of time steps.
func wholeSteps(w *workflow.Workflow, j *job, after int) bool {
	c, step := j.plan.Clock, w.Time.Step
	for k := after + 1; k <= c.Cycles && step > 0 && c.Interval == 0; k++ {
		if _, ok := sdk.WholeSteps(c.Time(k)-c.Time(k-1), step); !ok {
			return false
		}
	}
	return true
}

// settle makes a run that has grown what it would be if it had read all rows at its start. It returns the
// scorer of the trial.
func (e *engine) settle(ctx context.Context, j *job, s *scorer) (*scorer, error) {
	if !e.Sweep.Reread(e.Bytes) || !slices.Equal(j.plan.Record.Arrival().SHA256, e.arrival.SHA256) {
		return s, ErrRewritten
	}
	inputs, err := e.inputs(ctx)
	if err != nil {
		return s, err
	}
	next := newScorer(j.plan, j.trial, j.scenario.made, nil, e.Workflow.Output.Variables)
	next.chosen, next.tally = s.chosen, s.tally
	return next, errors.Join(e.run.Arrived(e.arrival, inputs), e.endScenario(j.scenario), e.recount(j, next, s.Cycles))
}

// recount fills the series of s that were left to the tables, up to a cycle.
func (e *engine) recount(j *job, s *scorer, through int) error {
	if !s.Left {
		return nil
	}
	s.leave() // also those since then
	for b, err := range e.run.Written(j.trial.Number).Cycles() {
		if err != nil {
			return err
		}
		for i, k := range b.Cycle {
			if int(k) > through {
				break
			}
			if !s.scored(int(k)) {
				continue
			}
			for name, v := range b.Scores {
				if v.Valid[i] {
					s.Series[b.Stage[i]].add(name, v.Values[i])
				}
			}
		}
	}
	p, err := e.pastOf(j, through)
	if err != nil {
		return err
	}
	s.scoreAgain(p)
	s.Left = false
	return nil
}
