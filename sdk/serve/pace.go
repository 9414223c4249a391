package serve

import (
	"runtime"
	"sync"
	"time"
)

// pace gives the process as many processors as its calls are worth: one while they leave
// it idle most of the time, all it may have when they do not. Go's scheduler wakes
// and parks threads for processors that a short call has no work for, which takes longer than
// the call.
type pace struct {
	most int // processors, as the process was started with

	mu   sync.Mutex
	from time.Time     // when busy began to be counted
	busy time.Duration // in calls, added up over those at the same time
}

// The load is the time in calls by the time there was. It is taken over a period, and has
// to fall well below where it rose to for processors to be given back.
const (
	period     = 50 * time.Millisecond
	busyLoad   = 0.6
	idlingLoad = 0.3
)

func newPace() *pace {
	return &pace{most: runtime.GOMAXPROCS(1), from: time.Now()}
}

// call counts a call that has just ended.
func (p *pace) call(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy += took
	span := time.Since(p.from)
	if span < period {
		return
	}
	switch load := float64(p.busy) / float64(span); { // a change stops the process for some microseconds
	case load > busyLoad:
		runtime.GOMAXPROCS(p.most)
	case load < idlingLoad:
		runtime.GOMAXPROCS(1)
	}
	p.from, p.busy = time.Now(), 0
}
