package experiment

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
)

// checkpoint is what a trial is continued from when a run is resumed.
type checkpoint struct {
	State    cycle.State // its members are stored next to the checkpoint
	Tally    tally
	Sums     map[string]string // of the tables up to here
	Failures string            // sum of their table
}

// checkpointOf names the checkpoints of a trial.
func checkpointOf(t *plan.Trial) string { return fmt.Sprintf("trial=%04d", t.Number) }

// storage is the tables that a trial writes, with the table of its failures.
type storage struct {
	*archive.Trial
	failures *archive.Failures
}

// sums returns a checkpoint with the checksums of the tables.
func (s *storage) sums() (c checkpoint, err error) {
	c.Failures = s.failures.Sum()
	c.Sums, err = s.Trial.Sums()
	return c, err
}

// Close finishes the tables.
func (s *storage) Close() error { return errors.Join(s.Trial.Close(), s.failures.Close()) }

// openTrial opens the tables of a trial at its checkpoint or, if there is none or the
// tables have changed since it was made, from the start.
func (e *engine) openTrial(j *job, scorer *scorer) (*storage, *cycle.State, error) {
	var c checkpoint
	if members, ok := e.run.Load(checkpointOf(j.trial), &c); ok {
		c.State.Members = members
		if s, err := e.store(j, c.State.Cycle); err == nil {
			if now, err := s.sums(); err == nil && now.Failures == c.Failures && maps.Equal(now.Sums, c.Sums) {
				scorer.remind(c.Tally)
				e.Observer.Recalled(c.State.Cycle, 0)
				return s, &c.State, nil
			}
			if err := s.Close(); err != nil {
				return nil, nil, err
			}
		}
	}
	s, err := e.store(j, 0)
	return s, nil, err
}

// store opens the tables of a trial after cycle through; 0: from the start.
func (e *engine) store(j *job, through int) (*storage, error) {
	tables, err := e.run.Trial(e.idOf(j), j.plan.State, j.plan.Space.Layout, e.keep(j.plan), through)
	if err != nil {
		return nil, err
	}
	noted, err := e.run.Failures(e.idOf(j), through)
	if err != nil {
		return nil, errors.Join(err, tables.Close())
	}
	return &storage{tables, noted}, nil
}

// saver says when the next checkpoint of a trial is due: at even distances, unless
// checkpoints are so expensive that they would take more than a twentieth of the time.
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
