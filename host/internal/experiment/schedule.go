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

	left int   // trials that have not ended
	err  error // why it could not be made

	made      *cycle.Scenario
	reference *cycle.Reference // nil: none
}

// forget has what was made be in files alone.
func (sc *scenario) forget() {
	if sc.made != nil {
		_ = sc.made.Close() // it has only been read
	}
	sc.made, sc.reference = nil, nil
}

// schedule distributes the work of a run. Trials of scenarios that exist come first, so
// that few scenarios are in memory at a time: at most one being made and one being used
// per worker. It is safe for concurrent use, by ten thousand workers: none is woken for nothing.
type schedule struct {
	mu             sync.Mutex
	trials, makers *sync.Cond  // who wants trials, and who only makes scenarios
	unmade, ready  []*scenario // in the second, those that have trials that have not started
	waiting        int         // such trials, of these and of scenarios being made
	making         int
	running        int // trials
	ahead          int // trials for which scenarios are made before they can start
	closed         bool
}

// newSchedule returns a schedule of the trials of s that are wanted, for so many at a time.
func newSchedule(s *plan.Sweep, atOnce int, wanted func(*plan.Scenario, *plan.Plan, *plan.Trial) bool) *schedule {
	sch := emptySchedule(atOnce)
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
					sch.unmade = append(sch.unmade, sc)
				}
				sc.jobs = append(sc.jobs, job{sc, p, &p.Trials[i]})
				sc.left++
			}
		}
	}
	return sch
}

func emptySchedule(atOnce int) *schedule {
	s := &schedule{ahead: atOnce}
	s.trials, s.makers = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	return s
}

// next returns a trial to run or a scenario to make, whichever the caller wants, or neither if
// no work is left: not even of trials that run now and may be lost.
func (s *schedule) next(trials, scenarios bool) (*job, *scenario) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && !s.over() {
		switch {
		case trials && len(s.ready) > 0:
			return s.start(), nil
		case scenarios && len(s.unmade) > 0 && (trials || s.waiting < s.ahead):
			sc := s.unmade[0]
			s.unmade = s.unmade[1:]
			s.waiting += len(sc.jobs)
			s.making++
			return nil, sc
		case trials:
			s.trials.Wait()
		default:
			s.makers.Wait()
		}
	}
	return nil, nil
}

// start takes the first trial that can start.
func (s *schedule) start() *job {
	sc := s.ready[0]
	j := sc.jobs[0]
	if sc.jobs = sc.jobs[1:]; len(sc.jobs) == 0 {
		s.ready = s.ready[1:]
	}
	s.waiting--
	s.running++
	s.makers.Signal() // there may be room for another scenario
	return &j
}

// over says whether no work is left.
func (s *schedule) over() bool { return len(s.unmade)+s.waiting+s.making+s.running == 0 }

// close ends the distribution of work.
func (s *schedule) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.wake()
}

// wake wakes all who wait.
func (s *schedule) wake() {
	s.trials.Broadcast()
	s.makers.Broadcast()
}

// again puts back a trial that was lost: it is the next one.
func (s *schedule) again(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc := j.scenario
	sc.jobs = append([]job{*j}, sc.jobs...)
	s.ready = append([]*scenario{sc}, slices.DeleteFunc(s.ready, func(other *scenario) bool { return other == sc })...)
	s.running--
	s.waiting++
	s.trials.Signal()
}

// made records that sc has been made, or the error that prevented it.
func (s *schedule) made(sc *scenario, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc.err = err
	s.making--
	s.ready = append(s.ready, sc)
	for range sc.jobs {
		s.trials.Signal()
	}
}

// ended records that a trial has ended.
func (s *schedule) ended(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.scenario.left--; j.scenario.left == 0 {
		j.scenario.forget()
	}
	if s.running--; s.over() {
		s.wake()
	}
}
