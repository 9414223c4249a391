package launch

import (
	"cmp"
	"slices"
	"time"
)

// Load is what the replica of a program on another machine has done.
type Load struct {
	Plugin  string
	Replica int       // from 1
	Place             // where it ran last; no Node: it has not started
	Since   time.Time // when it first started
	Calls   int
	Busy    time.Duration // in calls
	Lost    int           // calls that were made again
}

// count adds a call to the load of the slot.
func (s *slot) count(begun time.Time, lost bool) {
	now := time.Now()
	took := now.Sub(begun)
	if s.program.away() && s.options.Meter != nil {
		s.options.Meter.Add(begun, now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load.Calls++
	s.load.Busy += took
	if lost {
		s.load.Lost++
	}
}

// started records that a process has started in the slot, and where.
func (s *slot) started(at Place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load.Place = at
	if s.load.Since.IsZero() {
		s.load.Since = time.Now()
	}
}

// Loads returns what the replicas on other machines have done so far, by plugin and
// replica.
func (p *Pool) Loads() []Load {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Load
	for _, slots := range p.slots {
		for i, s := range slots {
			if s.program.away() {
				s.mu.Lock()
				s.load.Plugin, s.load.Replica = s.program.Name, i+1
				list = append(list, s.load)
				s.mu.Unlock()
			}
		}
	}
	slices.SortFunc(list, func(a, b Load) int { return cmp.Or(cmp.Compare(a.Plugin, b.Plugin), a.Replica-b.Replica) })
	return list
}
