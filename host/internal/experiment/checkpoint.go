package experiment

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
)

// checkpoint is what a trial is continued from when a run is resumed.
type checkpoint struct {
	State    cycle.State // its members and their noise are stored next to the checkpoint
	Tally    tally
	Sums     map[string]string // of the tables up to here
	Failures string            // sum of their table
	Arrivals int               // of observations so far
	Closes   float64           // model time; observations of later times do not change it; infinite: any do
	Pending  pending           // free forecasts
	Numbers  int               // how many are stored next to it; see recall
}

// checkpointOf names the checkpoints of a trial.
func checkpointOf(t *plan.Trial) string { return fmt.Sprintf("trial=%04d", t.Number) }

// keptOf names the checkpoint of a trial after a cycle that is kept when the trial has ended,
// for a run to which observations may be added.
func keptOf(t *plan.Trial, cycle int) string {
	return fmt.Sprintf("%s%08d", keptPrefix(t), cycle)
}

func keptPrefix(t *plan.Trial) string { return checkpointOf(t) + ".after=" }

// keepCheckpoint stores c as one that is kept, and removes some of the older ones, so that a
// run can go back n cycles at the cost of about 2n: of any three that are left, the first two
// are at least half as far apart as the first one and the newest.
func (e *engine) keepCheckpoint(t *plan.Trial, c checkpoint, numbers [][]float64) error {
	newest := c.State.Cycle
	if err := e.run.Save(keptOf(t, newest), c, numbers...); err != nil {
		return err
	}
	var ages []int // of the checkpoints that are left, the newest first
	names := e.run.Saved(keptPrefix(t))
	for _, name := range slices.Backward(names) {
		cycle := cycleOf(name)
		age := newest - cycle
		if n := len(ages); n > 1 && age < 2*ages[n-2] {
			if err := e.run.Forget(keptOf(t, newest-ages[n-1])); err != nil {
				return err
			}
			ages = ages[:n-1]
		}
		ages = append(ages, age)
	}
	return nil
}

// cycleOf returns the cycle in the name of a checkpoint that is kept.
func cycleOf(name string) int {
	_, text, _ := strings.Cut(name, "after=")
	cycle, _ := strconv.Atoi(text) // keptOf wrote it
	return cycle
}

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

// recall sets what is stored next to the checkpoint: the members with their noise, and after them what is known
// of the innovations. It reports whether they are there: another version may have stored others.
func (c *checkpoint) recall(numbers []float64) bool {
	if len(numbers) != c.Numbers {
		return false
	}
	return c.State.Recall(c.Tally.Sums.Recall(numbers))
}

// openTrial opens the tables of a trial at its last checkpoint or, if there is none, or the
// tables or the observations before it have changed since it was made, from the start.
func (e *engine) openTrial(j *job, scorer *scorer, ahead *forecaster) (*storage, *cycle.State, error) {
	names := append(e.run.Saved(keptPrefix(j.trial)), checkpointOf(j.trial))
	for _, name := range slices.Backward(names) {
		var c checkpoint
		numbers, ok := e.run.Load(name, &c)
		if !ok {
			continue
		}
		if r := j.plan.Record; r != nil && !r.Keeps(c.Arrivals, c.Closes) {
			if err := e.run.Forget(name); err != nil {
				return nil, nil, err
			}
			continue
		}
		if !c.recall(numbers) {
			continue
		}
		s, err := e.openAt(j, scorer, &c)
		if s != nil && ahead != nil {
			ahead.pending = c.Pending
		}
		if s != nil || err != nil {
			return s, &c.State, err
		}
	}
	s, err := e.store(j, 0)
	return s, nil, err
}

// openAt opens the tables of a trial at a checkpoint; nil if they have changed since it was
// made.
func (e *engine) openAt(j *job, scorer *scorer, c *checkpoint) (*storage, error) {
	p, err := e.readPast(j, c)
	if err != nil {
		return nil, err
	}
	s, err := e.store(j, c.State.Cycle)
	if err != nil {
		return nil, nil //nolint:nilerr // the tables are not there, or are shorter
	}
	if now, err := s.sums(); err != nil || now.Failures != c.Failures || !maps.Equal(now.Sums, c.Sums) {
		return nil, s.Close()
	}
	scorer.remind(c.Tally)
	if p != nil {
		scorer.scoreAgain(p)
	}
	if err := e.recount(j, scorer, c.State.Cycle); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	e.Observer.Recalled(c.State.Cycle, 0)
	return s, nil
}

// store opens the tables of a trial after cycle through; 0: from the start.
func (e *engine) store(j *job, through int) (*storage, error) {
	tables, err := e.run.Trial(e.idOf(j), j.plan.State, j.plan.Space.Layout, e.keepOf(j.plan, j.trial), through)
	if err != nil {
		return nil, err
	}
	noted, err := e.run.Failures(e.idOf(j), &j.plan.Clock, through)
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
