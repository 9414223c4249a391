package experiment

import (
	"slices"
	"sync"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/plan"
)

// job is a trial with what it shares.
type job struct {
	scenario *scenario
	plan     *plan.Plan
	trial    *plan.Trial
}

// scenario is what some trials share: a truth and, if the workflow has one, a
// reference. It is made when it is first needed and discarded after its last trial.
type scenario struct {
	planned *plan.Scenario
	plan    *plan.Plan // one of those that share it
	jobs    []job      // not started

	state scenarioState
	left  int   // trials that have not ended
	err   error // why it could not be made

	made      *cycle.Scenario
	reference *cycle.Reference // nil: none
}

type scenarioState int

const (
	unmade scenarioState = iota
	making
	ready
)

// schedule distributes the work of a run. Trials of scenarios that exist come first, so
// that few scenarios are in memory at a time: at most one being made and one being used
// per worker. It is safe for concurrent use.
type schedule struct {
	mu        sync.Mutex
	changed   *sync.Cond
	scenarios []*scenario // that have trials that have not started
	making    int
	running   int // trials
	ahead     int // trials for which scenarios are made before they can start
	closed    bool
}

// newSchedule returns a schedule of the trials of s that are wanted, for so many at a time.
func newSchedule(s *plan.Sweep, atOnce int, wanted func(*plan.Scenario, *plan.Plan, *plan.Trial) bool) *schedule {
	sch := &schedule{ahead: atOnce}
	sch.changed = sync.NewCond(&sch.mu)
	for _, planned := range s.Scenarios {
		byReference := map[*plan.Trial]*scenario{}
		for _, p := range planned.Plans {
			for i := range p.Trials {
				if !wanted(planned, p, &p.Trials[i]) {
					continue
				}
				sc := byReference[p.Reference]
				if sc == nil {
					sc = &scenario{planned: planned, plan: p}
					byReference[p.Reference] = sc
					sch.scenarios = append(sch.scenarios, sc)
				}
				sc.jobs = append(sc.jobs, job{sc, p, &p.Trials[i]})
				sc.left++
			}
		}
	}
	return sch
}

// next returns a trial to run or a scenario to make, whichever the caller wants, or neither if
// no work is left: not even of trials that run now and may be lost.
func (s *schedule) next(trials, scenarios bool) (*job, *scenario) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		s.scenarios = slices.DeleteFunc(s.scenarios, func(sc *scenario) bool { return len(sc.jobs) == 0 })
		waiting := 0
		for _, sc := range s.scenarios {
			switch {
			case sc.state == ready && trials:
				j := sc.jobs[0]
				sc.jobs = sc.jobs[1:]
				s.running++
				s.changed.Broadcast() // there may be room for another scenario
				return &j, nil
			case sc.state != unmade:
				waiting += len(sc.jobs)
			case scenarios && (trials || waiting < s.ahead):
				sc.state = making
				s.making++
				return nil, sc
			}
		}
		if len(s.scenarios) == 0 && s.making+s.running == 0 {
			return nil, nil
		}
		s.changed.Wait()
	}
	return nil, nil
}

// close ends the distribution of work.
func (s *schedule) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.changed.Broadcast()
}

// again puts back a trial that was lost: it is the next one.
func (s *schedule) again(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc := j.scenario
	sc.jobs = append([]job{*j}, sc.jobs...)
	s.scenarios = append([]*scenario{sc}, slices.DeleteFunc(s.scenarios, func(other *scenario) bool { return other == sc })...)
	s.running--
	s.changed.Broadcast()
}

// drain forgets the trials that have not started: nobody will run them.
func (s *schedule) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sc := range s.scenarios {
		sc.jobs = nil
	}
	s.changed.Broadcast()
}

// made records that sc has been made, or the error that prevented it.
func (s *schedule) made(sc *scenario, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc.state, sc.err = ready, err
	s.making--
	s.changed.Broadcast()
}

// ended records that a trial has ended.
func (s *schedule) ended(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.scenario.left--; j.scenario.left == 0 {
		j.scenario.made, j.scenario.reference = nil, nil
	}
	s.running--
	s.changed.Broadcast()
}
