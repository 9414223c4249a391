package launch

import (
	"cmp"
	"slices"
	"time"
)

// Load is what the replica of a program on another machine has done.
type Load struct {
	Plugin  string
	Replica int    // from 1
	Node    string // where it ran last; empty: it has not started
	Calls   int
	Busy    time.Duration // in calls
	Lost    int           // calls that were made again
}

// count adds a call to the load of the slot.
func (s *slot) count(took time.Duration, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load.Calls++
	s.load.Busy += took
	if lost {
		s.load.Lost++
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
				list = append(list, s.loaded(i+1))
			}
		}
	}
	slices.SortFunc(list, func(a, b Load) int { return cmp.Or(cmp.Compare(a.Plugin, b.Plugin), a.Replica-b.Replica) })
	return list
}

// loaded returns the load of the slot, which is the replica of that number. pool.mu is held.
func (s *slot) loaded(replica int) Load {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load.Plugin, s.load.Replica = s.program.Name, replica
	if s.now != nil {
		select {
		case <-s.now.done:
			if s.now.err == nil {
				s.load.Node = s.now.process.Node()
			}
		default: // it is being started again
		}
	}
	return s.load
}
