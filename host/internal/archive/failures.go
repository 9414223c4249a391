package archive

import (
	"cmp"
	"errors"
	"math"
	"os"
	"slices"
	"sync"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk/wire/table"
)

// The actions after a failure.
const (
	Repeated  = "repeated"  // the same call was made again
	Dropped   = "dropped"   // the member has left the ensemble for the rest of the trial
	Restarted = "restarted" // the trial has gone on with new members
	Ended     = "ended"     // the trial has ended
)

// Failure is the failure of some members in one call.
type Failure struct {
	Cycle   int
	Call    string // forecast, observe or analyse
	Member  int    // the first
	Members int    // number of members, from Member on
	Reason  string
	Action  string // Repeated, Dropped, Restarted or Ended
}

// Failures is the table of the failures of one trial. It has no file until there is a
// failure. It is safe for concurrent use.
type Failures struct {
	id    TrialID
	path  string
	run   *Run
	clock *plan.Clock

	mu    sync.Mutex
	table *table.Writer // nil: there are none
	cycle []Failure     // not yet written: the replicas of a model fail in any order
}

// Failures opens the table of the failures of a trial, or continues it after cycle
// through; see [Run.Trial]. clock has the times of its
// cycles, and may gain more.
func (r *Run) Failures(id TrialID, clock *plan.Clock, through int) (*Failures, error) {
	return r.failures(id, clock, through, part(id.Trial))
}

// ReferenceFailures opens the table of the failures of the reference of p.
func (r *Run) ReferenceFailures(t *plan.Scenario, p *plan.Plan) (*Failures, error) {
	return r.failures(TrialID{Replicate: t.Replicate, Filter: p.Reference.Label}, &p.Clock, 0, referenceName(t, p)+".arrow")
}

func (r *Run) failures(id TrialID, clock *plan.Clock, through int, part string) (*Failures, error) {
	path, err := r.Path("failures", part)
	f := &Failures{id: id, path: path, run: r, clock: clock}
	if err != nil {
		return nil, err
	}
	last := 0
	if through > 0 {
		if f.table, last, err = table.Continue(path, r.dated(failuresColumns), through); err != nil {
			return f, absent(err)
		}
	}
	if last > 0 {
		return f, nil
	}
	if f.table != nil { // all failures came after the checkpoint
		err, f.table = f.table.Abandon(), nil
	}
	return f, errors.Join(err, absent(os.Remove(path)), absent(os.Remove(path+table.Part)))
}

// absent returns err unless it says that a file does not exist.
func absent(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Add records failures of the current cycle.
func (f *Failures) Add(failures ...Failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cycle = append(f.cycle, failures...)
}

// Flush writes the recorded failures of cycles through a number. Call it at the end of that
// cycle.
func (f *Failures) Flush(through int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.SortStableFunc(f.cycle, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(a.Cycle, b.Cycle), cmp.Compare(a.Member, b.Member))
	})
	n := 0
	for n < len(f.cycle) && f.cycle[n].Cycle <= through {
		n++
	}
	if n == 0 {
		return nil
	}
	cycle, time, member, members := make([]int32, n), make([]float64, n), make([]int32, n), make([]int32, n)
	call, reason, action := make([]string, n), make([]string, n), make([]string, n)
	for i, c := range f.cycle[:n] {
		cycle[i], time[i], member[i], members[i] = int32(c.Cycle), f.clock.Time(c.Cycle), int32(c.Member), int32(c.Members)
		call[i], reason[i], action[i] = c.Call, c.Reason, c.Action
	}
	f.cycle = slices.Delete(f.cycle, 0, n)
	if f.table == nil {
		var err error
		if f.table, err = table.Create(f.path, f.run.dated(failuresColumns), nil); err != nil {
			return err
		}
	}
	return f.table.Append(n, slices.Concat(f.id.columns(n), []any{cycle}, f.run.times(time), []any{call, member, members, reason, action})...)
}

// Sum returns the sha256 of the bytes written so far; see [Trial.Sums].
func (f *Failures) Sum() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.table == nil {
		return ""
	}
	return f.table.Sum()
}

// Close writes the last recorded failures and finishes the table.
func (f *Failures) Close() error {
	err := f.Flush(math.MaxInt)
	if f.table == nil {
		return err
	}
	return errors.Join(err, f.table.Close())
}
