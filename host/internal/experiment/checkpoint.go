package experiment

import (
	"fmt"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
)

// checkpoint is what a trial goes on from when a run is resumed.
type checkpoint struct {
	State cycle.State
	Tally tally
}

// checkpointOf names the checkpoints of a trial.
func checkpointOf(t *plan.Trial) string { return fmt.Sprintf("trial=%04d", t.Number) }

// openTrial opens the tables of a trial: where its checkpoint says, or, when there
// is none that fits what is stored, from the start.
func (e *engine) openTrial(j *job, scorer *scorer) (*archive.Trial, *cycle.State, error) {
	open := func(through int) (*archive.Trial, error) {
		return e.run.Trial(e.idOf(j), j.plan.State, j.plan.Space.Layout, e.keep(j.plan), through)
	}
	var c checkpoint
	if e.run.Load(checkpointOf(j.trial), &c) {
		if tables, err := open(c.State.Cycle); err == nil {
			scorer.remind(c.Tally)
			e.Observer.Recalled(c.State.Cycle, 0)
			return tables, &c.State, nil
		}
	}
	tables, err := open(0)
	return tables, nil, err
}

// saver says when the next checkpoint of a trial is due: at even distances, unless
// checkpoints are so dear that they would take more than a twentieth of the time.
type saver struct {
	every time.Duration
	saved time.Time
	took  time.Duration
}

func (s *saver) save(now bool, do func() error) error {
	start := time.Now()
	if !now && start.Sub(s.saved) < max(s.every, 20*s.took) {
		return nil
	}
	err := do()
	s.saved = time.Now()
	s.took = s.saved.Sub(start)
	return err
}
