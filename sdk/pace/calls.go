package pace

import (
	"runtime"
	"sync"
	"time"
)

// Calls gives a plugin as many processors as its calls are worth: one while they leave
// it idle most of the time, all it may have when they do not. Go's scheduler wakes
// and parks threads for processors that a short call has no work for, which takes longer than
// the call. It is safe for concurrent use.
type Calls struct {
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

// NewCalls leaves one processor to the process, until its calls are worth more.
func NewCalls() *Calls {
	return &Calls{most: runtime.GOMAXPROCS(1), from: time.Now()}
}

// Ended counts a call that has just ended, after the time took.
func (c *Calls) Ended(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy += took
	span := time.Since(c.from)
	if span < period {
		return
	}
	switch load := float64(c.busy) / float64(span); { // a change stops the process for some microseconds
	case load > busyLoad:
		runtime.GOMAXPROCS(c.most)
	case load < idlingLoad:
		runtime.GOMAXPROCS(1)
	}
	c.from, c.busy = time.Now(), 0
}
